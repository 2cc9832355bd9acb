# Reference numbers for competing risks: R's own data sets, full precision. Run from this folder: Rscript competing.R
# Packages: survival, cmprsk, riskRegression, prodlim, jsonlite. Writes competing.json.
suppressPackageStartupMessages({library(survival); library(cmprsk); library(riskRegression); library(prodlim); library(jsonlite)})
out <- list(versions = list(
  R = R.version.string, survival = as.character(packageVersion("survival")),
  cmprsk = as.character(packageVersion("cmprsk")), riskRegression = as.character(packageVersion("riskRegression"))))

m <- mgus2
m$time <- ifelse(m$pstat == 0, m$futime, m$ptime)
m$code <- ifelse(m$pstat == 0, 2 * m$death, 1)
m$ended <- factor(m$code, 0:2, c("censored", "pcm", "death"))
m$entered <- floor(m$time * (m$id %% 5) / 7)
m$centre <- m$id %% 40
m$old <- as.integer(m$dxyr >= 1985)      # the censoring distribution differs: late patients are followed for less
m$counted <- 1 + m$id %% 3
m <- m[!is.na(m$mspike), ]
x <- cbind(age = m$age, sexM = as.integer(m$sex == "M"), mspike = m$mspike)

# coxph stops at a relative gain of 1e-9 in log likelihood; eps is set lower so that the tolerance of the tests can be kept.
tight <- coxph.control(eps = 1e-11, iter.max = 50)
coefs <- function(f) list(
  coef = unname(coef(f)), naive = unname(sqrt(diag(f$naive.var))), robust = unname(sqrt(diag(vcov(f)))), loglik = f$loglik)
fg <- function(data, ties = "efron", cluster = data$id) {
  data$cl <- cluster
  coefs(coxph(Surv(fgstart, fgstop, fgstatus) ~ age + sex + mspike, data, weights = fgwt, cluster = cl, ties = ties, control = tight))
}

for (cause in c("pcm", "death")) {
  d <- finegray(Surv(time, ended) ~ ., m, etype = cause)
  for (ties in c("efron", "breslow")) out[[paste("finegray", cause, ties, sep = "_")]] <- fg(d, ties)
  out[[paste("finegray", cause, "cluster", sep = "_")]] <- fg(d, cluster = d$centre)
  late <- finegray(Surv(entered, time, ended) ~ ., m, etype = cause, id = id)
  for (ties in c("efron", "breslow")) out[[paste("finegray", cause, "late", ties, sep = "_")]] <- fg(late, ties)
  # Whole case weights as rows repeated: finegray leaves case weights out of the censoring distribution. Efron's ties count the
  # repeated rows as ties, so Breslow's are used.
  rows <- rep(seq_len(nrow(m)), m$counted)
  r <- m[rows, ]
  r$row <- seq_along(rows)
  d <- finegray(Surv(time, ended) ~ ., r, etype = cause)
  out[[paste("finegray", cause, "weighted", sep = "_")]] <- fg(d, "breslow")
  late <- finegray(Surv(entered, time, ended) ~ ., r, etype = cause, id = row)
  out[[paste("finegray", cause, "weighted_late", sep = "_")]] <- fg(late, "breslow")
}
# Predicted incidence from the Efron model: 1 - exp(-cumulative hazard), as Fine and Gray; no interval in R.
d <- finegray(Surv(time, ended) ~ ., m, etype = "pcm")
f <- coxph(Surv(fgstart, fgstop, fgstatus) ~ age + sex + mspike, d, weights = fgwt, control = tight)
s <- survfit(f, newdata = data.frame(age = c(55, 80), sex = c("F", "M"), mspike = c(0.5, 2)))
out$finegray_pcm_predicted <- list(days = c(60, 120, 240), risk = 1 - summary(s, times = c(60, 120, 240))$surv)

# Censoring strata. finegray() splits rows only at the event times of their own stratum, and so gives an event of one stratum
# the weights of an earlier time in another; here every row is split at every event time. Without strata it must agree with finegray.
expand <- function(data, cause, strata) {
  at <- sort(unique(data$time[data$ended == cause]))
  pieces <- lapply(split(data, strata), function(own) {
    u <- sort(unique(own$time[own$ended == "censored"]))
    gone <- sapply(u, function(v) sum(own$time == v & own$ended == "censored"))
    there <- sapply(u, function(v) sum(own$time >= v & !(own$time == v & own$ended != "censored")))
    g <- function(t) sapply(t, function(v) if (v > max(own$time)) 0 else prod(1 - (gone / there)[u < v]))
    gat <- g(at)
    do.call(rbind, lapply(seq_len(nrow(own)), function(i) {
      one <- own[i, ]
      one$fgstart <- 0; one$fgstop <- one$time; one$fgstatus <- as.integer(one$ended == cause); one$fgwt <- 1
      k <- if (one$ended %in% c("censored", cause)) integer(0) else which(at > one$time & gat > 0)
      if (!length(k)) return(one)
      more <- one[rep(1, length(k)), ]
      more$fgstart <- c(one$time, at[k][-length(k)]); more$fgstop <- at[k]; more$fgwt <- gat[k] / g(one$time)
      rbind(one, more)
    }))
  })
  do.call(rbind, pieces)
}
columns <- c("id", "time", "ended", "age", "sex", "mspike")
whole <- expand(m[columns], "pcm", rep(1, nrow(m)))
stopifnot(all.equal(fg(whole)$coef, out$finegray_pcm_efron$coef, tolerance = 1e-9))
out$finegray_pcm_strata <- fg(expand(m[columns], "pcm", m$old))

# crr: two causes; three causes; censoring groups. gtol is lowered so that Newton takes one more step.
gray <- function(f) list(coef = unname(f$coef), se = unname(sqrt(diag(f$var))), loglik = f$loglik, inf = f$inf)
fit <- function(code, ...) crr(m$time, m$code, x, failcode = code, gtol = 1e-12, maxiter = 50, ...)
out$crr_pcm <- gray(fit(1))
out$crr_death <- gray(fit(2))
three <- ifelse(m$code == 2, 2 + m$id %% 2, m$code)
for (code in 1:3) out[[paste0("crr_three_", code)]] <- gray(crr(m$time, three, x, failcode = code, gtol = 1e-12, maxiter = 50))
out$crr_pcm_strata <- gray(fit(1, cengroup = m$old))["coef"]  # its standard error mixes the censoring groups
p <- predict(fit(1), rbind(c(55, 0, 0.5), c(80, 1, 2)))
out$crr_pcm_predicted <- list(days = c(60, 120, 240), risk = p[findInterval(c(60, 120, 240), p[, 1]), -1])

# Score test of columns times a function of time: crr's own score, information and variance at (b, 0), without a step.
for (name in c("identity", "log")) {
  g <- get(name)
  b <- fit(1)$coef
  events <- m$time[m$code == 1]
  at0 <- mean(g(events))
  f <- crr(m$time, m$code, x, x, function(t) matrix(g(t) - at0, length(t), 3), failcode = 1, init = c(b, 0, 0, 0), maxiter = 0)
  meat <- f$inf %*% f$var %*% f$inf
  test <- function(j) {
    a <- cbind(-f$inf[3 + j, 1:3, drop = FALSE] %*% solve(f$inf[1:3, 1:3]), diag(6)[3 + j, 4:6, drop = FALSE])
    u <- a %*% f$score
    drop(t(u) %*% solve(a %*% meat %*% t(a), u))
  }
  out[[paste0("crr_pcm_test_", name)]] <- c(test(1), test(2), test(3), test(1:3))
}

# Gray's test: two groups; three groups with heavy ties (years), rho and strata.
m$third <- cut(m$hgb, quantile(mgus2$hgb, c(0, 1/3, 2/3, 1), na.rm = TRUE), c("low", "middle", "high"), include.lowest = TRUE)
k <- m[!is.na(m$third), ]
k$years <- ceiling(k$time / 12)
out$gray_sex <- unname(cuminc(m$time, m$ended, m$sex, cencode = "censored")$Tests)
out$gray_third <- unname(cuminc(k$years, k$ended, k$third, cencode = "censored")$Tests)
out$gray_third_rho <- unname(cuminc(k$years, k$ended, k$third, rho = 1, cencode = "censored")$Tests)
out$gray_third_strata <- unname(cuminc(k$years, k$ended, k$third, strata = k$sex, cencode = "censored")$Tests)
out$gray_three_causes <- unname(cuminc(m$time, three, m$sex)$Tests)

# Absolute risk from cause-specific Cox models: all causes of a step compete for the time between steps, so that the risks and
# survival add up to 1 (survfit on a multi-state coxph of survival 3.5-3 does not give its own models' risks and is not used).
# riskRegression adds up survival times hazard, a little more; its standard errors are from influence functions.
new <- data.frame(age = c(55, 80), sex = factor(c("F", "M")), mspike = c(0.5, 2))
days <- c(60, 120, 240)
hazard <- lapply(c(1, 2), function(cause) {
  f <- coxph(Surv(time, code == cause) ~ age + sex + mspike, m, control = tight, x = TRUE)
  b <- basehaz(f, centered = FALSE)
  list(time = b$time, step = diff(c(0, b$hazard)), relative = exp(predict(f, new, type = "lp", reference = "zero")))
})
stopifnot(hazard[[1]]$time == hazard[[2]]$time)
out$absolute <- list(days = days, risk = sapply(1:2, function(i) {
  own <- hazard[[1]]$step * hazard[[1]]$relative[i]
  all <- own + hazard[[2]]$step * hazard[[2]]$relative[i]
  before <- exp(-cumsum(all) + all)
  risk <- cumsum(ifelse(all > 0, before * (1 - exp(-all)) * own / all, 0))
  risk[findInterval(days, hazard[[1]]$time)]
}))
f <- CSC(Hist(time, code) ~ age + sex + mspike, m, cause = 1)
p <- predict(f, newdata = new, times = c(60, 120, 240), cause = 1, se = TRUE, product.limit = FALSE)
out$csc <- list(days = c(60, 120, 240), risk = p$absRisk, se = p$absRisk.se)

# 1 - Kaplan-Meier, beside Aalen-Johansen.
f <- summary(survfit(Surv(time, code == 1) ~ 1, m, conf.type = "log-log"), times = c(120, 240, 360))
out$censored_pcm <- list(survival = f$surv, se = f$std.err)
f <- summary(survfit(Surv(time, ended) ~ 1, m, conf.type = "log-log"), times = c(120, 240, 360))
out$aalen_johansen_pcm <- list(risk = f$pstate[, 2], se = f$std.err[, 2])

write(toJSON(out, digits = NA, pretty = TRUE, auto_unbox = TRUE), "competing.json")
