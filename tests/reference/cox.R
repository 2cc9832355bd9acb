# Reference numbers for the Cox models, full precision. Run from this folder: Rscript cox.R
# Packages: survival, splines, jsonlite. Writes cox.json. Data: R survival's own, which the PyPI package survival carries.
suppressPackageStartupMessages({library(survival); library(splines); library(jsonlite)})
out <- list(versions = list(R = R.version.string, survival = as.character(packageVersion("survival"))))
tight <- coxph.control(eps = 1e-11, toler.chol = 1e-14, iter.max = 50)

coefs <- function(f) list(
  n = f$n, coef = unname(coef(f)), se = unname(sqrt(diag(vcov(f)))), loglik = f$loglik,
  naive = if (is.null(f$naive.var)) NULL else unname(sqrt(diag(f$naive.var))))

# Made-up late entry, weights and strata on lung: all at once, with ties.
l <- na.omit(lung[, c("time", "status", "age", "sex", "ph.ecog", "inst")])
k <- l$row <- seq_len(nrow(l))
l$late <- floor(l$time * (k %% 5) / 9)
l$w <- 1 + (k %% 3) / 2
l$times <- 1 + k %% 3
l$off <- (k %% 7) / 5
l$odd <- l$inst %% 2
# Coarse days make many ties; a row may not enter on the day it leaves.
l$month <- ceiling(l$time / 30)
l$late_month <- pmin(floor(l$late / 30), l$month - 1)
for (ties in c("efron", "breslow")) {
  f <- coxph(Surv(late_month, month, status == 2) ~ age + sex + ph.ecog + strata(inst %% 2), l, weights = w, ties = ties,
             cluster = row, control = tight, x = TRUE, y = TRUE)
  all <- coefs(f)
  for (type in c("martingale", "deviance", "score", "dfbeta", "schoenfeld", "scaledsch")) {
    r <- residuals(f, type = type)
    all[[type]] <- unname(if (is.matrix(r)) r else as.vector(r))
  }
  all$events <- order(l$inst %% 2, l$month)[(l$status == 2)[order(l$inst %% 2, l$month)]] - 1
  for (transform in c("km", "identity", "rank", "log")) {
    z <- cox.zph(f, transform = transform)
    all[[paste0("zph_", transform)]] <- unname(z$table)
  }
  all$concordance <- unname(c(f$concordance["concordance"], f$concordance["std"]))
  out[[paste0("everything_", ties)]] <- all
  g <- coxph(Surv(late_month, month, status == 2) ~ age + sex + ph.ecog + strata(odd), l, weights = times, ties = ties,
             robust = FALSE, control = tight)
  new <- data.frame(age = c(50, 70), sex = c(1, 2), ph.ecog = c(0, 2), odd = c(1, 0))
  p <- lapply(1:2, function(i) summary(survfit(g, newdata = new[i, ], conf.type = "log-log"), times = c(6, 12, 24)))
  of <- function(name) unlist(lapply(p, function(s) as.vector(s[[name]])))
  out[[paste0("counted_", ties)]] <- c(coefs(g), list(
    time = c(6, 12, 24), surv = of("surv"), error = of("std.err"), lower = of("lower"), upper = of("upper")))
}

# Residuals without weights, strata or entry.
f <- coxph(Surv(time, status == 2) ~ age + sex + ph.ecog, l, control = tight)
out$plain <- list(martingale = unname(residuals(f)), deviance = unname(residuals(f, type = "deviance")),
                  dfbeta = unname(residuals(f, type = "dfbeta")), schoenfeld = unname(residuals(f, type = "schoenfeld")))

# Offset; few clusters; ridge, scaled and with strata and late entry.
out$offset <- coefs(coxph(Surv(time, status == 2) ~ age + sex + offset(off), l, control = tight))
l$few <- l$inst %% 5
f <- coxph(Surv(late, time, status == 2) ~ age + sex, l, cluster = few, control = tight)
out$few_clusters <- c(coefs(f), list(concordance = unname(c(f$concordance["concordance"], f$concordance["std"]))))
penal <- coxph.control(eps = 1e-12, toler.chol = 1e-14, iter.max = 100, outer.max = 50)
out$ridge <- coefs(coxph(Surv(time, status == 2) ~ ridge(age, sex, ph.ecog, theta = 20, scale = TRUE), l, control = penal))
out$ridge_strata <- coefs(coxph(Surv(late, time, status == 2) ~ ridge(age, sex, ph.ecog, theta = 3, scale = TRUE) + strata(inst %% 2),
                                l, control = penal, ties = "breslow"))

# Terms of several columns: the test of proportional hazards by term, and the smoother of the residuals.
l$ecog <- factor(pmin(l$ph.ecog, 2))
f <- coxph(Surv(time, status == 2) ~ ecog + age, l, control = tight)
z <- cox.zph(f, transform = "km")
out$zph_terms <- list(coef = unname(coef(f)), table = unname(z$table), y = unname(z$y), x = z$x, time = z$time, var = unname(diag(z$var)))
smooth <- function(z, i) {
  grid <- seq(min(z$x), max(z$x), length = 40)
  basis <- ns(c(grid, z$x), df = 4, intercept = TRUE)
  fit <- lm.fit(basis[-(1:40), ], z$y[, i])
  spread <- rowSums((basis[1:40, ] %*% chol2inv(qr.R(fit$qr))) * basis[1:40, ])
  list(x = grid, y = as.vector(basis[1:40, ] %*% fit$coefficients), half = qnorm(0.975) * sqrt(z$var[i, i] * spread))
}
out$zph_smooth <- list(smooth(z, 1), smooth(z, 2))

# Likelihood ratio of a chunk, profile likelihood limits.
big <- coxph(Surv(time, status == 2) ~ age + sex + ecog, l, control = tight)
small <- coxph(Surv(time, status == 2) ~ sex, l, control = tight)
a <- anova(small, big)
out$chunk <- list(chi2 = a$Chisq[2], df = a$Df[2], p = a[["Pr(>|Chi|)"]][2],
                  wald = as.numeric(crossprod(coef(big)[c(1, 3, 4)], solve(vcov(big)[c(1, 3, 4), c(1, 3, 4)], coef(big)[c(1, 3, 4)]))))
profile_limit <- function(f, sign) {
  reached <- f$loglik[2] - qchisq(.95, 1) / 2
  held <- function(b) coxph(Surv(late, time, status == 2) ~ age + offset(b * ph.ecog) + strata(sex), l, control = tight)$loglik[2] - reached
  b <- coef(f)["ph.ecog"]
  uniroot(held, sort(c(b, b + sign)), tol = 1e-13)$root
}
f <- coxph(Surv(late, time, status == 2) ~ age + ph.ecog + strata(sex), l, control = tight)
drop <- coxph(Surv(late, time, status == 2) ~ age + strata(sex), l, control = tight)
out$profile <- list(lower = profile_limit(f, -1), upper = profile_limit(f, 1), p = anova(drop, f)[["Pr(>|Chi|)"]][2])

# Firth's penalised likelihood, log L + log det I / 2, written out row by row and maximised by a general optimiser.
# In ovarian, `gone` marks early deaths only, so that the likelihood itself has no maximum.
penalised <- function(b, d, both = FALSE) {
  p <- length(b); value <- 0; info <- matrix(0, p, p); eta <- as.vector(d$x %*% b)
  for (s in unique(d$strata)) for (t in unique(d$time[d$status == 1 & d$strata == s])) {
    risk <- which(d$strata == s & d$time >= t)
    dead <- d$status[risk] == 1 & d$time[risk] == t
    r <- d$w[risk] * exp(eta[risk]); x <- d$x[risk, , drop = FALSE]; w <- mean(d$w[risk][dead])
    value <- value + sum(d$w[risk][dead] * eta[risk][dead])
    for (l in seq_len(sum(dead)) - 1) {
      q <- r * (1 - (if (d$ties == "efron") l / sum(dead) else 0) * dead)
      a <- colSums(q * x) / sum(q)
      value <- value - w * log(sum(q))
      info <- info + w * (crossprod(x, q * x) / sum(q) - tcrossprod(a))
    }
  }
  if (both) return(list(value = value, info = info))
  full <- value + as.numeric(determinant(info)$modulus) / 2
  if (is.finite(full)) full else -1e6
}
best <- function(d, start, fixed = NULL, at = NULL) {
  whole <- function(free) { b <- numeric(length(start)); b[setdiff(seq_along(start), fixed)] <- free; b[fixed] <- at; b }
  target <- function(free) -penalised(whole(free), d)
  free <- start[setdiff(seq_along(start), fixed)]
  for (i in 1:3) free <- if (length(free) == 1) optimize(target, free + c(-1, 1), tol = 1e-12)$minimum else
    optim(free, target, control = list(reltol = 1e-15, maxit = 2000))$par
  # Newton on central differences polishes what a general optimiser leaves.
  for (i in 1:4) {
    h <- 1e-3 * pmax(abs(free), 0.01); p <- length(free); g <- numeric(p); H <- matrix(0, p, p)
    for (j in seq_len(p)) {
      e <- replace(numeric(p), j, h[j])
      g[j] <- (8 * (target(free + e) - target(free - e)) - (target(free + 2 * e) - target(free - 2 * e))) / (12 * h[j])
      for (m in seq_len(p)) {
        d2 <- replace(numeric(p), m, h[m])
        H[j, m] <- (target(free + e + d2) - target(free + e - d2) - target(free - e + d2) + target(free - e - d2)) / (4 * h[j] * h[m])
      }
    }
    free <- free - solve(H, g)
  }
  list(b = whole(free), value = -target(free))
}
o <- ovarian
o$gone <- as.numeric(o$futime < 400 & o$fustat == 1 & o$age > 60)
firth <- function(time, w, strata, ties) {
  d <- list(x = cbind(o$gone, o$age), time = time, status = o$fustat, w = w, strata = strata, ties = ties)
  top <- best(d, c(1, 0.1))
  reached <- top$value - qchisq(.95, 1) / 2
  held <- function(t) best(d, top$b, fixed = 1, at = t)$value - reached
  se <- sqrt(diag(solve(penalised(top$b, d, both = TRUE)$info)))
  list(coef = top$b, se = se, value = top$value, loglik = penalised(top$b, d, both = TRUE)$value,
       chi2 = 2 * (top$value - best(d, top$b, fixed = 1, at = 0)$value),
       lower = uniroot(held, c(top$b[1] - 4 * se[1], top$b[1]), tol = 1e-11)$root,
       upper = uniroot(held, c(top$b[1], top$b[1] + 4 * se[1]), tol = 1e-11)$root)
}
one <- rep(1, nrow(o))
stopifnot(all.equal(penalised(c(0, 0.1), list(x = cbind(o$gone, o$age), time = o$futime, status = o$fustat, w = one, strata = one,
  ties = "efron"), both = TRUE)$value, coxph(Surv(futime, fustat) ~ gone + age, o, init = c(0, 0.1), iter.max = 0)$loglik[2]))
out$firth <- firth(o$futime, one, one, "efron")
for (ties in c("efron", "breslow"))
  out[[paste0("firth_tied_", ties)]] <- firth(ceiling(o$futime / 200), 1 + seq_along(one) %% 2, o$rx, ties)

# Coefficients that follow a function of time. With late entry tt() of survival 3.5-3 crashes: the rows are split by hand.
s <- survSplit(Surv(late, time, dead) ~ ., transform(l, dead = as.numeric(status == 2)), cut = sort(unique(l$time[l$status == 2])))
out$over_time <- coefs(coxph(Surv(late, time, dead) ~ age + sex + I(age * log(time)) + strata(inst %% 2), s, control = tight))
f <- coxph(Surv(time, status == 2) ~ ecog + age + tt(ecog), l, control = tight,
           tt = function(x, t, ...) cbind((x == 1) * sqrt(t), (x == 2) * sqrt(t)), cluster = few)
out$over_time_cluster <- coefs(f)

write(toJSON(out, digits = NA, pretty = FALSE, auto_unbox = TRUE), "cox.json")
