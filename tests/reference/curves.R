# Reference numbers for curves, group tests, restricted means, parametric models and resampling, on R's own data sets,
# full precision. Run from this folder: Rscript curves.R
# Packages: survival, jsonlite. Writes curves.json.
suppressPackageStartupMessages({library(survival); library(jsonlite)})
out <- list(versions = list(R = R.version.string, survival = as.character(packageVersion("survival"))))

lung$row <- seq_len(nrow(lung))
lung$w <- 0.5 + (lung$row %% 7) / 5
lung$k <- 1 + lung$row %% 3
lung$entry <- floor(lung$time * (lung$row %% 5) / 9)
lung$dead <- lung$status == 2
m <- mgus2
m$etime <- ifelse(m$pstat == 0, m$futime, m$ptime)
m$event <- factor(ifelse(m$pstat == 0, 2 * m$death, 1), 0:2, c("censor", "pcm", "death"))
m$entry <- floor(m$etime * (m$id %% 5) / 7)
m$w <- 0.5 + (m$id %% 7) / 5
m$k <- 1 + m$id %% 3
last <- heart[!duplicated(heart$id, fromLast = TRUE), ]

# Log-rank family. survdiff takes neither late entry nor clusters: there the score test of coxph, exact on ties, and its
# robust score test (Breslow), stand in.
test <- function(f) list(chisq = f$chisq, obs = unname(rowSums(as.matrix(f$obs))), exp = unname(rowSums(as.matrix(f$exp))),
                         df = sum(rowSums(as.matrix(f$exp)) > 0) - 1, p = f$pvalue)
out$lung_logrank <- test(survdiff(Surv(time, dead) ~ sex, lung))
out$lung_peto_rho1 <- test(survdiff(Surv(time, dead) ~ sex, lung, rho = 1))
out$lung_rho_half <- test(survdiff(Surv(time, dead) ~ sex, lung, rho = 0.5))
out$lung_logrank_strat_ecog <- test(survdiff(Surv(time, dead) ~ sex + strata(ph.ecog), lung))
out$veteran_four <- test(survdiff(Surv(time, status) ~ celltype, veteran))
out$veteran_four_rho1_strat <- test(survdiff(Surv(time, status) ~ celltype + strata(trt, prior), veteran, rho = 1))
out$pbc_edema <- test(survdiff(Surv(time, status == 2) ~ edema, pbc))
exact <- function(f) list(chisq = f$score, df = length(coef(f)))
out$lung_late <- exact(coxph(Surv(entry, time, dead) ~ sex, lung, ties = "exact"))
out$lung_late_strata <- exact(coxph(Surv(entry, time, dead) ~ sex + strata(ph.ecog), lung, ties = "exact"))
out$heart_late <- exact(coxph(Surv(start, stop, event) ~ transplant, last, ties = "exact"))
out$veteran_trend <- exact(coxph(Surv(time, status) ~ as.numeric(celltype), veteran, ties = "exact"))
out$diabetic_cluster <- list(chisq = summary(coxph(Surv(time, status) ~ trt, diabetic, cluster = id, ties = "breslow"))$robscore[["test"]])

# Fleming-Harrington with gamma, by the formula, over risk sets one at a time; with rho alone it must give survdiff's.
harrington <- function(time, event, group, rho, gamma, entry = rep(0, length(time))) {
  groups <- sort(unique(group)); n <- length(groups)
  o <- numeric(n); e <- numeric(n); v <- matrix(0, n, n); s <- 1
  for (t in sort(unique(time[event]))) {
    at <- entry < t & time >= t
    y <- sapply(groups, function(g) sum(at & group == g)); d <- sapply(groups, function(g) sum(event & time == t & group == g))
    w <- s^rho * (1 - s)^gamma
    o <- o + w * d; e <- e + w * sum(d) * y / sum(y)
    if (sum(y) > 1) v <- v + w^2 * sum(d) * (sum(y) - sum(d)) / (sum(y) - 1) * (diag(y / sum(y)) - outer(y, y) / sum(y)^2)
    s <- s * (1 - sum(d) / sum(y))
  }
  u <- (o - e)[-1]
  list(chisq = drop(u %*% solve(v[-1, -1, drop = FALSE]) %*% u), obs = o, exp = e)
}
stopifnot(abs(harrington(lung$time, lung$dead, lung$sex, 1, 0)$chisq - out$lung_peto_rho1$chisq) < 1e-9)
out$lung_harrington_0_1 <- harrington(lung$time, lung$dead, lung$sex, 0, 1)
out$lung_harrington_1_1 <- harrington(lung$time, lung$dead, lung$sex, 1, 1)
out$veteran_harrington_half_half <- harrington(veteran$time, veteran$status == 1, veteran$celltype, 0.5, 0.5)
out$lung_harrington_late <- harrington(lung$time, lung$dead, lung$sex, 1, 0, lung$entry)

# Kaplan-Meier: weights, late entry, counts at given days, quantiles.
at <- c(5, 180, 365, 730)
ci <- function(fit, times) {
  s <- summary(fit, times = times, censored = TRUE)
  list(time = s$time, surv = s$surv, se = s$std.err, lower = s$lower, upper = s$upper, n.risk = s$n.risk, n.event = s$n.event,
       n.censor = s$n.censor)
}
out$lung_counts <- ci(survfit(Surv(time, dead) ~ sex, lung, conf.type = "log-log"), at)
out$lung_weights <- ci(survfit(Surv(time, dead) ~ 1, lung, weights = w, conf.type = "log-log"), at)
out$lung_weights_late <- ci(survfit(Surv(entry, time, dead) ~ 1, lung, weights = w, conf.type = "log-log"), c(180, 365, 730))
out$lung_counts_k <- ci(survfit(Surv(time, dead) ~ 1, lung, weights = k, conf.type = "log-log"), at)
out$lung_late_curve <- ci(survfit(Surv(entry, time, dead) ~ sex, lung, conf.type = "log-log"), c(180, 365, 730))
for (type in c("log-log", "log", "plain")) {
  f <- survfit(Surv(time, dead) ~ sex, lung, conf.type = type)
  q <- quantile(f, c(0.25, 0.5, 0.75))
  out[[paste0("lung_quantiles_", type)]] <- list(quantile = unname(c(t(q$quantile))), lower = unname(c(t(q$lower))),
                                                 upper = unname(c(t(q$upper))))
  t <- summary(f)$table
  out[[paste0("lung_median_", type)]] <- list(median = unname(t[, "median"]), lower = unname(t[, "0.95LCL"]), upper = unname(t[, "0.95UCL"]))
}
t <- summary(survfit(Surv(c(1, 2, 3, 4), c(1, 1, 1, 0)) ~ 1, conf.type = "log-log"))$table
out$half_median <- list(median = t[["median"]], lower = t[["0.95LCL"]], upper = t[["0.95UCL"]])
f <- survfit(Surv(time, status == 1) ~ sex, lung, conf.type = "log-log")
t <- summary(f)$table
out$lung_follow_up <- list(median = unname(t[, "median"]), lower = unname(t[, "0.95LCL"]), upper = unname(t[, "0.95UCL"]))

# Aalen-Johansen with weights: sampling weights, and counts as repeated rows.
state <- function(fit, times) {
  s <- summary(fit, times = times)
  list(time = s$time, pstate = s$pstate, se = s$std.err, lower = s$lower, upper = s$upper)
}
out$mgus2_weights <- state(survfit(Surv(etime, event) ~ 1, m, id = id, weights = w, conf.type = "log-log"), c(60, 120, 240))
out$mgus2_weights_late <- state(survfit(Surv(entry, etime, event) ~ 1, m, id = id, weights = w, conf.type = "log-log"), c(60, 120, 240))
repeated <- m[rep(seq_len(nrow(m)), m$k), ]
repeated$row <- seq_len(nrow(repeated))
out$mgus2_counts <- state(survfit(Surv(etime, event) ~ 1, repeated, id = row, conf.type = "log-log"), c(60, 120, 240))

# Restricted means. Standard errors of the days lost need the influences (influence = TRUE).
p <- pbc[1:312, ]
p$years <- p$time / 365.25
r <- summary(survfit(Surv(years, status == 2) ~ trt, p), rmean = 10)$table
d <- r[1, "rmean"] - r[2, "rmean"]
s <- sqrt(sum(r[, "se(rmean)"]^2))
out$pbc_rmst <- list(rmean = unname(r[, "rmean"]), se = unname(r[, "se(rmean)"]), difference = d, difference_se = s,
                     p = 2 * pnorm(-abs(d / s)))
r <- summary(survfit(Surv(time, dead) ~ sex, lung), rmean = 965)$table
out$lung_rmst <- list(rmean = unname(r[, "rmean"]), se = unname(r[, "se(rmean)"]))
means <- function(fit, tau) {
  t <- summary(fit, rmean = tau)$table
  list(rmean = unname(t[, "rmean"]), se = unname(t[, "se(rmean)"]))
}
out$mgus2_rmtl <- means(survfit(Surv(etime, event) ~ sex, m, influence = TRUE), 240)
out$mgus2_rmtl_late <- means(survfit(Surv(entry, etime, event) ~ sex, m, id = id, influence = TRUE), 240)
# With weights survival 3.5-3 prints se(rmean) from influences without their weights, although std.err has them: here the
# weighted influences are integrated by hand. First the hand is held to R where there are no weights.
by_hand <- function(data, tau, weight) {
  f <- survfit(Surv(etime, event) ~ 1, data, id = id, weights = weight, influence = TRUE)
  width <- diff(c(pmin(c(0, f$time), tau), tau))
  own <- apply(f$influence.pstate, c(1, 3), function(x) sum(x * width))
  list(rmean = colSums(rbind(c(1, 0, 0), f$pstate) * width), se = sqrt(colSums((weight * own)^2)))
}
women <- m[m$sex == "F", ]
men <- m[m$sex == "M", ]
stopifnot(all(abs(by_hand(women, 240, rep(1, nrow(women)))$se - out$mgus2_rmtl$se[c(1, 3, 5)]) < 1e-9))
f <- by_hand(women, 240, women$w)
g <- by_hand(men, 240, men$w)
out$mgus2_rmtl_weights <- list(rmean = c(rbind(f$rmean, g$rmean)), se = c(rbind(f$se, g$se)))
d <- diabetic
d$row <- seq_len(nrow(d))
d$event <- factor(ifelse(d$status == 0, 0, 1 + d$trt), 0:2, c("censor", "untreated", "treated"))
# Nor does it sum the influences of a cluster for se(rmean): by hand again.
f <- survfit(Surv(time, event) ~ 1, d, id = row, influence = TRUE)
width <- diff(c(pmin(c(0, f$time), 48), 48))
own <- rowsum(apply(f$influence.pstate, c(1, 3), function(x) sum(x * width)), d$id)
out$diabetic_rmtl_cluster <- list(rmean = colSums(rbind(c(1, 0, 0), f$pstate) * width), se = unname(sqrt(colSums(own^2))))

# Parametric models: exact and censored, late entry by hand below, interval-censored, weights, clusters.
aft <- function(f) list(coef = unname(coef(f)), se = unname(sqrt(diag(vcov(f)))), scale = f$scale, loglik = f$loglik[[2]], null = f$loglik[[1]])
control <- survreg.control(rel.tolerance = 1e-13, maxiter = 100)
for (dist in c("weibull", "exponential", "lognormal", "loglogistic")) {
  out[[paste0("lung_", dist)]] <- aft(survreg(Surv(time, dead) ~ age + sex, lung, dist = dist, control = control))
  out[[paste0("lung_weights_", dist)]] <- aft(survreg(Surv(time, dead) ~ age + sex, lung, dist = dist, weights = k, control = control))
  out[[paste0("lung_cluster_", dist)]] <- aft(survreg(Surv(time, dead) ~ age + sex, lung[!is.na(lung$inst), ], dist = dist,
                                                      cluster = inst, control = control))
  i <- lung
  i$lower <- 30 * floor((i$time - 1) / 30)
  i$upper <- ifelse(i$dead, i$lower + 30, NA)
  i$lower <- ifelse(i$lower == 0, NA, i$lower)
  i$lower[i$row %% 10 == 0] <- i$time[i$row %% 10 == 0]
  i$upper[i$row %% 10 == 0 & i$dead] <- i$time[i$row %% 10 == 0 & i$dead]
  i$lower <- ifelse(is.na(i$lower) & is.na(i$upper), i$time, i$lower)
  out[[paste0("lung_interval_", dist)]] <- aft(survreg(Surv(lower, upper, type = "interval2") ~ age + sex, i, dist = dist, control = control))
}

# What survreg has no form for is maximised directly: Newton steps on numerical derivatives of the log likelihood.
newton <- function(loglik, start) {
  f <- optim(start, loglik, method = "BFGS", control = list(fnscale = -1, reltol = 1e-15, maxit = 2000))
  f <- nlm(function(b) -loglik(b), f$par, gradtol = 1e-10, steptol = 1e-12, iterlim = 500)
  list(coef = f$estimate, loglik = -f$minimum)
}
x <- cbind(1, (lung$age - 60) / 10, lung$sex - 1)
late <- function(b) {
  w <- (log(lung$time) - drop(x %*% b[1:3])) / exp(b[4])
  e <- ifelse(lung$entry > 0, exp((log(pmax(lung$entry, 1)) - drop(x %*% b[1:3])) / exp(b[4])), 0)
  sum(lung$dead * (w - b[4] - log(lung$time)) - exp(w) + e)
}
out$lung_late_weibull <- newton(late, c(6, 0, 0.3, -0.3))
z <- log(lung$time)
knots <- unname(quantile(z[lung$dead], c(0, 1 / 3, 2 / 3, 1)))
cube <- function(z, j) {
  l <- (knots[4] - knots[j]) / (knots[4] - knots[1])
  pmax(z - knots[j], 0)^3 - l * pmax(z - knots[1], 0)^3 - (1 - l) * pmax(z - knots[4], 0)^3
}
slope <- function(z, j) {
  l <- (knots[4] - knots[j]) / (knots[4] - knots[1])
  3 * (pmax(z - knots[j], 0)^2 - l * pmax(z - knots[1], 0)^2 - (1 - l) * pmax(z - knots[4], 0)^2)
}
spline <- function(b) {
  h <- b[1] + b[2] * z + b[3] * cube(z, 2) + b[4] * cube(z, 3) + drop(x[, -1] %*% b[5:6])
  d <- b[2] + b[3] * slope(z, 2) + b[4] * slope(z, 3)
  if (any(d[lung$dead] <= 0)) return(-1e10)
  sum(ifelse(lung$dead, h + log(pmax(d, 1e-300)) - z, 0) - exp(h))
}
out$lung_spline <- c(newton(spline, c(-8, 1.2, 0, 0, 0.1, -0.5)), list(knots = knots))

# Bootstrap: Cox refits with counts as weights, rows drawn 0 times left out.
counts <- sapply(1:8, function(b) (lung$row * (b + 2) * 7919) %% 11 %% 4)
fits <- apply(counts, 2, function(drawn) {
  use <- drawn > 0
  coef(coxph(Surv(time, dead) ~ age + sex + ph.karno, lung[use, ], weights = drawn[use]))
})
out$lung_refits <- list(coef = unname(fits))

write_json(out, "curves.json", digits = NA, auto_unbox = TRUE, na = "null", pretty = TRUE)
