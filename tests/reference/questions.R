# Reference numbers for state occupancy, mean counts, linear and longitudinal models, period-specific hazard ratios and
# adjusted risks, on the small made-up data sets beside this script. Run from this folder: Rscript questions.R
# Packages: survival, mets, sandwich, geepack, lme4, jsonlite. Writes questions.json.
suppressPackageStartupMessages({
  library(survival); library(mets); library(sandwich); library(geepack); library(lme4); library(jsonlite)
})
packages <- c("survival", "mets", "sandwich", "geepack", "lme4")
versions <- lapply(setNames(packages, packages), function(p) as.character(packageVersion(p)))
out <- list(versions = c(list(R = R.version.string), versions))

# State occupancy: one row per interval becomes (start, stop] and the state that follows, "censor" at the end.
e <- read.csv("episodes.csv")
states <- c("using", "free", "out", "dead")
e <- e[order(e$row, e$start_day, e$stop_day), ]
following <- ave(e$state, e$row, FUN = function(s) c(s[-1], "censor"))
e$to <- factor(following, c("censor", states))
e$from <- factor(e$state, states)
e <- e[e$stop_day > e$start_day & e$state != "dead", ]
occupancy <- function(data, type) {
  s <- summary(survfit(Surv(start_day, stop_day, to) ~ 1, data, id = row, istate = from, conf.type = type), times = c(10, 40, 80, 100))
  list(time = s$time, share = s$pstate, se = s$std.err, lower = s$lower, upper = s$upper)
}
for (type in c("log-log", "log", "plain")) out[[paste0("occupancy_", type)]] <- occupancy(e, type)
out$occupancy_arm1 <- occupancy(e[e$arm == 1, ], "log")

# Mean counts, without and with death (mets: Ghosh-Lin), and the same by the sums of survfit.
d <- read.csv("counts.csv")
times <- c(50, 120, 200, 300)
s <- summary(survfit(Surv(start_day, stop_day, status == "event") ~ 1, d, id = row), times = times)
out$mcf <- list(time = times, mean = s$cumhaz, se = s$std.chaz)
s <- summary(survfit(Surv(start_day, stop_day, status == "event") ~ 1, d, id = row, cluster = patient), times = times)
out$mcf_cluster <- list(time = times, mean = s$cumhaz, se = s$std.chaz)

# With death: sums of survfit's increments, and the infinitesimal jackknife by moving one row's weight a little.
ghosh_lin <- function(w) {
  km <- survfit(Surv(start_day, stop_day, status == "death") ~ 1, d, weights = w[d$row])
  rate <- survfit(Surv(start_day, stop_day, status == "event") ~ 1, d, weights = w[d$row], ctype = 1)
  before <- c(1, km$surv)[findInterval(rate$time, km$time, left.open = TRUE) + 1]
  cumsum(before * rate$n.event / rate$n.risk)[findInterval(times, rate$time)]
}
n <- max(d$row)
moved <- sapply(seq_len(n), function(i) {
  up <- down <- rep(1, n); up[i] <- 1 + 1e-5; down[i] <- 1 - 1e-5
  (ghosh_lin(up) - ghosh_lin(down)) / 2e-5
})
out$ghosh_lin <- list(time = times, mean = ghosh_lin(rep(1, n)), se = sqrt(rowSums(moved^2)))
# mets takes exp(-cumulative hazard) for survival and a martingale form of the variance: near, not the same.
recurrent <- phreg(Surv(start_day, stop_day, status == "event") ~ cluster(row), d)
death <- phreg(Surv(start_day, stop_day, status == "death") ~ cluster(row), d)
gl <- recurrentMarginal(recurrent, death)
at <- findInterval(times, gl$times)
out$ghosh_lin_mets <- list(time = times, mean = gl$mu[at], se = gl$se.mu[at])

# Linear models.
p <- read.csv("people.csv")
f <- lm(after ~ dose + sex + age, p)
numbers <- function(f, v) list(coef = unname(coef(f)), se = unname(sqrt(diag(v))), loglik = as.numeric(logLik(f)), df = f$df.residual)
out$lm_classical <- numbers(f, vcov(f))
out$lm_hc3 <- numbers(f, vcovHC(f, "HC3"))
out$lm_cluster <- numbers(f, vcovCL(f, cluster = p$centre, type = "HC1"))

# Trajectories.
v <- read.csv("visits.csv")
for (kind in c("independence", "exchangeable")) {
  g <- geeglm(mme ~ group * month, id = patient, data = v, corstr = kind, control = geese.control(epsilon = 1e-12, maxit = 500))
  out[[paste0("gee_", kind)]] <- list(
    coef = unname(coef(g)), se = unname(sqrt(diag(g$geese$vbeta))), alpha = unname(as.numeric(g$geese$alpha)))
}
for (kind in c("(1 | patient)", "(month | patient)")) {
  m <- lmer(as.formula(paste("mme ~ group * month +", kind)), v, control = lmerControl(optCtrl = list(ftol_abs = 1e-14, xtol_abs = 1e-12)))
  out[[paste0("lmer_", if (grepl("month", kind)) "slope" else "level")]] <- list(
    coef = unname(fixef(m)), se = unname(sqrt(diag(as.matrix(vcov(m))))), loglik = as.numeric(logLik(m)),
    sd = c(attr(VarCorr(m)$patient, "stddev"), sigma(m)))
}

# Period-specific hazard ratios: everything by period, and one term only.
p$male <- as.numeric(p$sex == "male")
split <- survSplit(Surv(days, status == "explant") ~ ., p, cut = c(90, 730), episode = "period", event = "happened")
split$period <- factor(split$period)
f <- coxph(Surv(tstart, days, happened) ~ (male + dose):strata(period), split)
out$periods_all <- list(names = names(coef(f)), coef = unname(coef(f)), se = unname(sqrt(diag(vcov(f)))), loglik = f$loglik)
f <- coxph(Surv(tstart, days, happened) ~ dose + male:strata(period), split, cluster = centre)
out$periods_one <- list(names = names(coef(f)), coef = unname(coef(f)), se = unname(sqrt(diag(vcov(f)))))

# Adjusted risks: sums over R's coefficients and baseline hazards, with the risks of both causes adding up.
fits <- lapply(c("explant", "death"), function(k) coxph(Surv(days, status == k) ~ sex + dose + age, p))
steps <- sapply(fits, function(f) { b <- basehaz(f, centered = FALSE); diff(c(0, b$hazard))[b$time <= 730] })
risk <- function(level) {
  everyone <- transform(p, sex = level)
  r <- sapply(fits, function(f) exp(predict(f, everyone, type = "lp", reference = "zero")))
  mean(apply(r, 1, function(own) {
    g <- steps %*% own
    before <- exp(-c(0, cumsum(g)[-length(g)]))
    sum(before * (1 - exp(-g)) * ifelse(g > 0, steps[, 1] * own[1] / g, 0))
  }))
}
out$adjusted <- list(female = risk("female"), male = risk("male"))
write_json(out, "questions.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
