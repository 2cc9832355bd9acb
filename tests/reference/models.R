# Reference numbers for the models: R's own data sets, full precision. Run from this folder: Rscript models.R
# Packages: survival, Hmisc, rms, jsonlite. Writes models.json.
suppressPackageStartupMessages({library(survival); library(rms); library(jsonlite)})
out <- list(versions = list(
  R = R.version.string, survival = as.character(packageVersion("survival")),
  Hmisc = as.character(packageVersion("Hmisc")), rms = as.character(packageVersion("rms"))))

ci <- function(fit, times) {
  s <- summary(fit, times = times)
  list(time = s$time, surv = s$surv, se = s$std.err, lower = s$lower, upper = s$upper, n.risk = s$n.risk)
}
state <- function(fit, times) {
  s <- summary(fit, times = times)
  list(time = s$time, pstate = s$pstate, se = s$std.err, lower = s$lower, upper = s$upper, n.risk = s$n.risk[, 1])
}

coefs <- function(f) {
  naive <- if (is.null(f$naive.var)) vcov(f) else f$naive.var
  list(n = f$n, events = f$nevent, coef = unname(coef(f)), se = unname(sqrt(diag(naive))),
       robust = if (is.null(f$naive.var)) NULL else unname(sqrt(diag(vcov(f)))), loglik = f$loglik)
}

# Kaplan-Meier by group and Cox models on the classic data sets.
for (type in c("log-log", "log"))
  out[[paste0("lung_km_", type)]] <- ci(survfit(Surv(time, status == 2) ~ sex, lung, conf.type = type), c(180, 365, 730))
out$lung_cox_efron <- coefs(coxph(Surv(time, status == 2) ~ age + sex + ph.ecog, lung))
out$lung_cox_breslow <- coefs(coxph(Surv(time, status == 2) ~ age + sex + ph.ecog, lung, ties = "breslow"))
out$lung_cox_strata <- coefs(coxph(Surv(time, status == 2) ~ age + sex + strata(ph.ecog), lung))
out$lung_cox_cluster <- coefs(coxph(Surv(time, status == 2) ~ age + sex + ph.ecog, lung, cluster = inst))
f <- coxph(Surv(time, status == 2) ~ age + edema + log(bili) + log(protime) + log(albumin), pbc)
out$pbc_cox <- coefs(f)
b <- basehaz(f, centered = TRUE)
out$pbc_basehaz <- list(time = b$time[seq(20, 380, 60)], hazard = b$hazard[seq(20, 380, 60)], means = unname(f$means))
out$veteran_cox <- coefs(coxph(Surv(time, status) ~ trt + prior + karno, veteran))
out$heart_pieces <- coefs(coxph(Surv(start, stop, event) ~ age + year + surgery + transplant, heart))
last <- heart[!duplicated(heart$id, fromLast = TRUE), ]
out$heart_late <- coefs(coxph(Surv(start, stop, event) ~ age + year + surgery + transplant, last))
out$bladder2_ag <- coefs(coxph(Surv(start, stop, event) ~ rx + size + number, bladder2, cluster = id))

# Kaplan-Meier: late entry, plain interval; Nelson-Aalen.
out$heart_last_km <- ci(survfit(Surv(start, stop, event) ~ 1, last, conf.type = "log-log"), c(30, 100, 365, 1000))
out$heart_last_km_log <- ci(survfit(Surv(start, stop, event) ~ 1, last, conf.type = "log"), c(30, 100, 365, 1000))
out$lung_km_plain <- ci(survfit(Surv(time, status == 2) ~ 1, lung, conf.type = "plain"), c(180, 365, 730, 900))
na <- summary(survfit(Surv(time, status == 2) ~ sex, lung), times = c(180, 365, 730))
out$lung_nelson_aalen <- list(strata = as.character(na$strata), time = na$time, cumhaz = na$cumhaz, se = na$std.chaz)

# Aalen-Johansen: interval types, late entry, several rows per patient.
m <- mgus2
m$etime <- ifelse(m$pstat == 0, m$futime, m$ptime)
m$event <- factor(ifelse(m$pstat == 0, 2 * m$death, 1), 0:2, c("censor", "pcm", "death"))
out$mgus2_AJ_sex <- state(survfit(Surv(etime, event) ~ sex, m, conf.type = "log"), c(120, 240))
for (cause in c("pcm", "death"))
  out[[paste0("mgus2_cox_", cause)]] <- coefs(coxph(Surv(etime, event == cause) ~ age + sex + mspike, m))
for (type in c("log", "log-log", "plain"))
  out[[paste0("mgus2_AJ_", type)]] <- state(survfit(Surv(etime, event) ~ 1, m, conf.type = type), c(60, 120, 240, 360))
m$entry <- floor(m$etime * (m$id %% 5) / 7)
out$mgus2_AJ_late <- state(survfit(Surv(entry, etime, event) ~ 1, m, id = id, conf.type = "log-log"), c(12, 60, 120, 240))
d <- diabetic
d$row <- seq_len(nrow(d))
d$event <- factor(ifelse(d$status == 0, 0, 1 + d$trt), 0:2, c("censor", "untreated", "treated"))
# R's multi-state survfit takes no cluster beside id: its influence values are summed within patients by hand, at times where
# their own root sum of squares is R's std.err (survival 3.5-3 returns other values at a few early times, 6 and 12 among them).
f <- survfit(Surv(time, event) ~ 1, d, id = row, influence = 1)
k <- findInterval(c(24, 48), f$time)
stopifnot(all.equal(sqrt(apply(f$influence.pstate[, k, ]^2, 2:3, sum)), f$std.err[k, ], check.attributes = FALSE))
se <- sapply(1:3, function(s) sqrt(colSums(rowsum(f$influence.pstate[, k, s], d$id)^2)))
out$diabetic_AJ_cluster <- list(pstate = f$pstate[k, ], se = se)
out$diabetic_KM_cluster <- ci(survfit(Surv(time, status) ~ 1, d, cluster = id, conf.type = "log-log"), c(6, 12, 24, 48))

# Cox: weights, Breslow robust, strata with late entry and cluster.
l <- na.omit(lung[, c("time", "status", "age", "sex", "ph.ecog", "inst")])
l$w <- 1 + (seq_len(nrow(l)) %% 3) / 2
for (ties in c("efron", "breslow")) {
  out[[paste0("lung_weighted_", ties)]] <- coefs(
    coxph(Surv(time, status == 2) ~ age + sex + ph.ecog, l, weights = w, ties = ties, robust = TRUE))
}
out$bladder2_strata <- coefs(coxph(Surv(start, stop, event) ~ rx + size + strata(number), bladder2, cluster = id))

# Splines: knots and basis.
x <- pbc$age[!is.na(pbc$age)]
out$knots_pbc_age <- lapply(3:7, function(k) Hmisc::rcspline.eval(x, nk = k, knots.only = TRUE))
er <- rotterdam$er  # a clump of zeros at the lower end
out$knots_rotterdam_er <- lapply(3:5, function(k) Hmisc::rcspline.eval(er, nk = k, knots.only = TRUE))
out$knots_ovarian_age <- lapply(3:5, function(k) Hmisc::rcspline.eval(ovarian$age, nk = k, knots.only = TRUE))
out$basis_pbc_age_5 <- unname(Hmisc::rcspline.eval(c(20, 35.5, 50, 61.25, 80), knots = out$knots_pbc_age[[3]], inclx = TRUE)[, ])

# Cox with a spline and a category: fitted values, contrast of quartiles, tests.
p <- pbc[, c("time", "status", "age", "sex", "bili")]
dd <- datadist(p); options(datadist = "dd")
f <- cph(Surv(time, status == 2) ~ rcs(age, 4) + sex + log(bili), p, x = TRUE, y = TRUE, eps = 1e-9, tol = 1e-12)
q <- unname(quantile(p$age, c(.25, .75)))
s <- summary(f, age = q, est.all = FALSE)
a <- anova(f, vnames = "names")
con <- contrast(f, list(age = c(40, 60)), list(age = 50))
out$pbc_spline <- list(
  coef = unname(coef(f)), se = unname(sqrt(diag(vcov(f)))), loglik = f$loglik, quartiles = q,
  effect = s[1, "Effect"], effect_se = s[1, "S.E."], chi2 = unname(a[c(1, 2), "Chi-Square"]), p = unname(a[c(1, 2), "P"]),
  contrast = unname(con$Contrast), contrast_se = unname(con$SE))

# Logistic regression.
g <- pbc[!is.na(pbc$ascites), ]
f <- glm(ascites ~ age + sex + log(bili) + factor(edema), binomial, g, control = glm.control(epsilon = 1e-10))
out$pbc_logit <- list(n = nobs(f), coef = unname(coef(f)), se = unname(sqrt(diag(vcov(f)))), loglik = as.numeric(logLik(f)))
f <- lrm(ascites ~ rcs(age, 4) + log(bili), g, x = TRUE, y = TRUE, tol = 1e-12, eps = 1e-10)
out$pbc_logit_spline <- list(coef = unname(coef(f)), chi2 = unname(anova(f)[c(1, 2), "Chi-Square"]))
r <- robcov(f, g$id %% 20)
out$pbc_logit_robust <- list(se = unname(sqrt(diag(vcov(r)))))

write(toJSON(out, digits = NA, pretty = TRUE, auto_unbox = TRUE), "models.json")
