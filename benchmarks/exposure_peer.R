# The same quantities by data.table, from the four ready-made columns as CSV: Rscript exposure_peer.R FOLDER
# R reads Parquet here with no package of its own; the time is given with and without reading the CSV.
suppressPackageStartupMessages(library(data.table))
setDTthreads(0)
folder <- commandArgs(trailingOnly = TRUE)[1]
windows <- fread(file.path(folder, "windows.csv"))

begin <- proc.time()
fills <- fread(file.path(folder, "ready.csv"))
index <- fread(file.path(folder, "index.csv"))
ready <- proc.time()

index[, place := .I - 1L]
fills[index, on = "patient_id", `:=`(place = i.place, rel = day - i.index_day)]
result <- rbindlist(lapply(seq_len(nrow(windows)), function(number) {
  first <- windows$first[number]
  last <- windows$last[number]
  rows <- fills[rel <= last & rel + days_supply > first,
                .(place, start = pmax(rel, first), stop = pmin(rel + days_supply, last + 1L), dose = mme_per_day)]
  totals <- rows[, .(total_mme = sum(dose * (stop - start)), days_supplied = sum(stop - start)), keyby = place]
  # Edges by one number of patient and day; as an integer where it fits, since that sorts by radix.
  wide <- if (nrow(index) < 2^20) 1024L else 1024
  edges <- rbind(rows[, .(key = place * wide + start - first, dose, active = 1L)],
                 rows[, .(key = place * wide + stop - first, dose = -dose, active = -1L)])
  setkey(edges, key)
  edges[, `:=`(dose = cumsum(dose), active = cumsum(active), after = shift(key, -1L))]
  edges <- edges[is.na(after) | key != after]
  edges[, length := shift(key, -1L) - key]
  steps <- edges[active > 0L, .(days_covered = sum(length), max_daily_mme = max(dose)), keyby = .(place = key %/% wide)]
  out <- steps[totals[.(place = index$place), on = "place"], on = "place"]
  setnafill(out, fill = 0, cols = c("total_mme", "days_supplied", "days_covered", "max_daily_mme"))
  out[, window := windows$window[number]]
}))
end <- proc.time()

fwrite(result, file.path(folder, "data.table.csv"))
status <- tryCatch(readLines("/proc/self/status"), error = function(e) character())
peak <- as.numeric(gsub("[^0-9]", "", grep("^VmHWM", status, value = TRUE))) / 1024
cpu <- function(time) time[["user.self"]] + time[["sys.self"]]
cat(sprintf('{"seconds": %.3f, "seconds_with_reading": %.3f, "cpu_seconds": %.3f, "cpu_seconds_with_reading": %.3f,',
            (end - ready)[["elapsed"]], (end - begin)[["elapsed"]], cpu(end - ready), cpu(end - begin)))
cat(sprintf(' "peak_mib": %.0f, "version": "%s"}\n',
            if (length(peak)) peak else -1, packageVersion("data.table")))
