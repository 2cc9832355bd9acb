# Reference numbers for Cox models of recurrent events and of moves between states, on R's own data sets and on the small
# made-up ones beside this script. Run from this folder: Rscript recurrent.R
# Packages: survival, jsonlite. Writes recurrent.json.
suppressPackageStartupMessages({library(survival); library(jsonlite)})
out <- list(versions = list(R = R.version.string, survival = as.character(packageVersion("survival"))))
tight <- coxph.control(eps = 1e-11, iter.max = 50)

numbers <- function(f) list(
  names = names(coef(f)), n = f$n, events = f$nevent, coef = unname(coef(f)), naive = unname(sqrt(diag(f$naive.var))),
  robust = unname(sqrt(diag(vcov(f)))), loglik = f$loglik)

# Bladder tumours (survival::bladder2, bladder): ties, weights, further strata, event numbers, the first three events.
b <- bladder2
b$w <- 1 + (b$id %% 3) / 2
b$gap <- b$stop - b$start
ag <- Surv(start, stop, event) ~ rx + size + number
out$ag_breslow <- numbers(coxph(ag, b, cluster = id, ties = "breslow", control = tight))
out$ag_weighted <- numbers(coxph(ag, b, cluster = id, weights = w, control = tight))
out$ag_number <- numbers(coxph(Surv(start, stop, event) ~ rx + enum, b, cluster = id, control = tight))
out$pwp_strata <- numbers(coxph(Surv(start, stop, event) ~ rx + size + strata(enum, number > 2), b, cluster = id, control = tight))
out$pwp_weighted <- numbers(coxph(Surv(gap, event) ~ rx + size + number + strata(enum), b, cluster = id, weights = w, control = tight))
b3 <- b[b$enum <= 3, ]
out$pwp_total_3 <- numbers(coxph(update(ag, . ~ . + strata(enum)), b3, cluster = id, control = tight))
out$pwp_gap_3 <- numbers(coxph(Surv(gap, event) ~ rx + size + number + strata(enum), b3, cluster = id, control = tight))
out$wlw_3 <- numbers(coxph(Surv(stop, event) ~ rx + size + number + strata(enum), bladder[bladder$enum <= 3, ], cluster = id, control = tight))
out$wlw_each <- numbers(coxph(Surv(stop, event) ~ rx + rx:strata(enum) + size + number, bladder, cluster = id, control = tight))

# Made-up counts: death ends follow-up, several rows per patient.
d <- read.csv("counts.csv")
d <- d[order(d$row, d$start_day, d$stop_day), ]
d$happened <- as.numeric(d$status == "event")
d$enum <- ave(d$happened, d$row, FUN = function(x) 1 + cumsum(x) - x)
d$before <- ave(ifelse(d$happened == 1, d$stop_day, 0), d$row, FUN = function(x) cummax(c(0, x[-length(x)])))
d$x <- (d$row * 37) %% 11
d <- d[d$stop_day > d$start_day, ]
out$made_ag <- numbers(coxph(Surv(start_day, stop_day, happened) ~ arm + x, d, cluster = patient, control = tight))
out$made_total <- numbers(coxph(Surv(start_day, stop_day, happened) ~ arm + x + strata(enum), d, cluster = patient, control = tight))
out$made_gap <- numbers(coxph(Surv(start_day - before, stop_day - before, happened) ~ arm + x + strata(enum), d, cluster = patient, control = tight))

# Wei-Lin-Weissfeld from its own data set: one row per row and event number, up to the event or the end.
wlw <- do.call(rbind, lapply(1:3, function(k) {
  do.call(rbind, lapply(split(d, d$row), function(one) {
    events <- one$stop_day[one$happened == 1]
    has <- length(events) >= k
    data.frame(one[1, c("row", "patient", "arm", "x")], enum = k, time = if (has) events[k] else max(one$stop_day), happened = has)
  }))
}))
out$made_wlw <- numbers(coxph(Surv(time, happened) ~ arm + x + strata(enum), wlw, cluster = patient, control = tight))

# The same followed late: rows with an odd number enter on day 20, with whatever event number they have by then.
late <- d
entry <- ifelse(late$row %% 2 == 1, 20, 0)
late <- late[late$stop_day > entry, ]
late$start_day <- pmax(late$start_day, ifelse(late$row %% 2 == 1, 20, 0))
late$enum <- ave(late$happened, late$row, FUN = function(x) 1 + cumsum(x) - x)
late$before <- ave(ifelse(late$happened == 1, late$stop_day, 0), late$row, FUN = function(x) cummax(c(0, x[-length(x)])))
out$late_ag <- numbers(coxph(Surv(start_day, stop_day, happened) ~ arm + x, late, cluster = patient, control = tight))
out$late_gap <- numbers(coxph(Surv(start_day - before, stop_day - before, happened) ~ arm + x + strata(enum), late, cluster = patient, control = tight))

# Mean cumulative count, with log and plain intervals from survfit's standard error.
z <- qnorm(0.975)
s <- summary(survfit(Surv(start, stop, event) ~ rx, bladder2, id = id), times = c(10, 30, 50))
out$mcf <- list(
  time = s$time, mean = s$cumhaz, se = s$std.chaz, log_low = s$cumhaz * exp(-z * s$std.chaz / s$cumhaz),
  log_high = s$cumhaz * exp(z * s$std.chaz / s$cumhaz), plain_low = pmax(s$cumhaz - z * s$std.chaz, 0), plain_high = s$cumhaz + z * s$std.chaz)

# The same with late entry: without death counted from, and with it (sums over survfit, and their jackknife by moving one
# row's weight a little, as in questions.R).
times <- c(50, 120, 200, 300)
s <- summary(survfit(Surv(start_day, stop_day, happened) ~ 1, late, id = row, cluster = patient), times = times)
out$mcf_late <- list(time = times, mean = s$cumhaz, se = s$std.chaz)
ghosh_lin <- function(w) {
  km <- survfit(Surv(start_day, stop_day, status == "death") ~ 1, late, weights = w[late$row])
  rate <- survfit(Surv(start_day, stop_day, happened) ~ 1, late, weights = w[late$row], ctype = 1)
  before <- c(1, km$surv)[findInterval(rate$time, km$time, left.open = TRUE) + 1]
  cumsum(before * rate$n.event / rate$n.risk)[findInterval(times, rate$time)]
}
n <- max(late$row)
moved <- sapply(seq_len(n), function(i) {
  up <- down <- rep(1, n); up[i] <- 1 + 1e-5; down[i] <- 1 - 1e-5
  (ghosh_lin(up) - ghosh_lin(down)) / 2e-5
})
out$ghosh_lin_late <- list(time = times, mean = ghosh_lin(rep(1, n)), se = sqrt(rowSums(moved^2)))

# Moves between states (multi-state coxph: robust by id).
e <- read.csv("episodes.csv")
states <- c("using", "free", "out", "dead")
e <- e[order(e$row, e$start_day, e$stop_day), ]
e$to <- factor(ave(e$state, e$row, FUN = function(s) c(s[-1], "censor")), c("censor", states))
e$from <- factor(e$state, states)
e$age <- 50 + (e$row * 7) %% 23
e$pair <- (e$row + 1) %/% 2
e <- e[e$stop_day > e$start_day & e$state != "dead", ]
moves <- function(f) {
  list(names = names(coef(f)), coef = unname(coef(f)), robust = unname(sqrt(diag(vcov(f)))), loglik = f$loglik)
}
out$moves_forward <- moves(coxph(Surv(start_day, stop_day, to) ~ arm + age, e, id = row, istate = from, control = tight))
all <- 1:2 + 1:3 + 1:4 + 2:1 + 2:3 + 2:4 + 3:1 + 3:2 + 3:4 ~ arm + age / common
out$moves_shared <- moves(coxph(list(Surv(start_day, stop_day, to) ~ 1, all), e, id = row, istate = from, control = tight))
out$moves_breslow <- moves(coxph(Surv(start_day, stop_day, to) ~ arm + age, e, id = row, istate = from, ties = "breslow", control = tight))
for (one in list(c("using", "free"), c("free", "using"), c("out", "free")))
  out[[paste0("reset_", one[1], "_", one[2])]] <- moves(coxph(
    Surv(stop_day - start_day, to == one[2]) ~ arm + age, e[e$from == one[1], ], cluster = row, control = tight))
long <- do.call(rbind, lapply(states, function(target) {
  mine <- e[as.character(e$from) != target, ]
  data.frame(mine, move = paste(mine$from, target), happened = mine$to == target)
}))
seen <- unique(long$move[long$happened])
long <- long[long$move %in% seen, ]
out$reset_shared <- moves(coxph(Surv(stop_day - start_day, happened) ~ arm + age + strata(move), long, cluster = row, control = tight))
out$forward_pairs <- moves(coxph(Surv(start_day, stop_day, happened) ~ arm + age + strata(move), long, cluster = pair, control = tight))
out$counts <- list(from = rep(states, 4), to = rep(states, each = 4), n = as.vector(table(e$from, factor(e$to, states))))

# Occupancy with patients of several rows: survfit 3.5-3 takes cluster= without using it here, so its influence (rows x
# time, 0 first x states) is summed within patients.
f <- survfit(Surv(start_day, stop_day, to) ~ 1, e, id = row, istate = from, influence = TRUE)
patient <- tapply(e$pair, e$row, min)[dimnames(f$influence.pstate)[[1]]]
at <- findInterval(c(10, 40, 80), f$time)
out$occupancy_cluster <- list(
  time = c(10, 40, 80), share = f$pstate[at, ],
  se = t(sapply(at + 1, function(k) sqrt(colSums(rowsum(f$influence.pstate[, k, ], patient)^2)))))

# Illness and death (survival::mgus2): malignancy in the month of death comes a tenth of a month earlier.
m <- mgus2
m$ptime <- ifelse(m$pstat == 1 & m$ptime == m$futime, m$ptime - 0.1, m$ptime)
m$sexM <- as.numeric(m$sex == "M")
first <- data.frame(id = m$id, age = m$age, sexM = m$sexM, t1 = 0, t2 = ifelse(m$pstat == 1, m$ptime, m$futime),
                    to = ifelse(m$pstat == 1, "pcm", ifelse(m$death == 1, "dead", "censor")), from = "mgus")
second <- with(m[m$pstat == 1, ], data.frame(id, age, sexM, t1 = ptime, t2 = futime, to = ifelse(death == 1, "dead", "censor"), from = "pcm"))
both <- rbind(first, second)
both$to <- factor(both$to, c("censor", "pcm", "dead"))
both$from <- factor(both$from, c("mgus", "pcm", "dead"))
both <- both[order(both$id, both$t1), ]
out$mgus2_moves <- moves(coxph(Surv(t1, t2, to) ~ age + sexM, both, id = id, istate = from, control = tight))
s <- summary(survfit(Surv(t1, t2, to) ~ 1, both, id = id, istate = from, conf.type = "log"), times = c(60, 120, 240, 360))
out$mgus2_occupancy <- list(time = s$time, states = s$states, share = s$pstate, se = s$std.err, lower = s$lower, upper = s$upper)

write(toJSON(out, digits = NA, pretty = TRUE, auto_unbox = TRUE), "recurrent.json")
