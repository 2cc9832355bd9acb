# The R contenders, each run in a process of its own: Rscript survival.R TASK NAME FOLDER REPEATS
# Prints JSON: seconds of each run by the clock and of the processors, the numbers to compare, and the version; or why the contender is absent.
arguments <- commandArgs(trailingOnly = TRUE)
task <- arguments[1]; name <- arguments[2]; folder <- arguments[3]; repeats <- as.integer(arguments[4])
absent <- function(why) { cat(sprintf('{"absent": "%s"}\n', why)); quit(status = 0) }
for (package in c("jsonlite", "survival", if (name == "crr") "cmprsk"))
  if (!requireNamespace(package, quietly = TRUE)) absent(paste("R package", package, "is not installed"))
suppressPackageStartupMessages(library(survival))

shapes <- jsonlite::fromJSON(file.path(folder, "shapes.json"), simplifyVector = FALSE)
data <- lapply(names(shapes), function(part) {
  shape <- unlist(shapes[[part]])
  values <- readBin(file.path(folder, paste0(part, ".bin")), "double", prod(shape), endian = "little")
  if (length(shape) == 2) matrix(values, shape[1]) else values
})
names(data) <- names(shapes)
x <- data$x; time <- data$time; cause <- data$cause
horizons <- c(365, 1095, 1825)
bare <- function(x, y, weights = NULL)
  coxph.fit(x, y, strata = NULL, offset = NULL, init = NULL, control = coxph.control(), weights = weights,
            method = "efron", rownames = NULL, resid = FALSE)
spread <- function(b) c(rowMeans(b), apply(b, 1, sd))

contenders <- list(
  cox = list(
    coxph.fit = function() { y <- Surv(time, cause == 1); function() unname(bare(x, y)$coefficients) },
    coxph = function() { d <- data.frame(x); d$time <- time; d$event <- cause == 1
      f <- as.formula(paste("Surv(time, event) ~", paste(names(d)[seq_len(ncol(x))], collapse = " + ")))
      function() unname(coef(coxph(f, d))) }),
  bootstrap = list(
    coxph.fit = function() { y <- Surv(time, cause == 1)
      function() spread(apply(data$counts, 1, function(w) { k <- w > 0; bare(x[k, ], y[k], w[k])$coefficients })) },
    coxph = function() { d <- data.frame(x); d$time <- time; d$event <- cause == 1
      f <- as.formula(paste("Surv(time, event) ~", paste(names(d)[seq_len(ncol(x))], collapse = " + ")))
      function() spread(apply(data$counts, 1, function(w) { k <- w > 0; d$w <- w; coef(coxph(f, d[k, ], weights = w)) })) }),
  fine_gray = list(
    finegray = function() { d <- data.frame(x); names <- names(d); d$time <- time; d$id <- seq_along(time)
      d$status <- factor(cause, 0:2, c("censor", "event", "other"))
      function() {
        long <- finegray(Surv(time, status) ~ ., data = d, etype = "event")
        f <- as.formula(paste("Surv(fgstart, fgstop, fgstatus) ~", paste(names, collapse = " + ")))
        fit <- coxph(f, long, weights = fgwt, cluster = id)
        unname(c(coef(fit), sqrt(diag(vcov(fit))))) } },
    crr = function() function() { fit <- cmprsk::crr(time, cause, x); unname(c(fit$coef, sqrt(diag(fit$var)))) }),
  aalen_johansen = list(
    survfit = function() { status <- factor(cause, 0:2, c("censor", "one", "two"))
      function() { s <- survfit(Surv(time, status) ~ 1); at <- findInterval(horizons, s$time)
        c(s$pstate[at, 2:3], s$std.err[at, 2:3]) } }))

run <- contenders[[task]][[name]]()
seconds <- processor <- numeric(repeats)
for (k in seq_len(repeats)) {
  begun <- Sys.time(); worked <- sum(proc.time()[c("user.self", "sys.self")])
  numbers <- run()
  seconds[k] <- as.numeric(difftime(Sys.time(), begun, units = "secs"))
  processor[k] <- sum(proc.time()[c("user.self", "sys.self")]) - worked
}
version <- as.character(packageVersion(if (name == "crr") "cmprsk" else "survival"))
cat(jsonlite::toJSON(list(seconds = I(seconds), processor_seconds = I(processor), numbers = numbers, version = jsonlite::unbox(version)), digits = NA), "\n")
