#include "load.hpp"
#include "messages/histogram.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>

namespace gemel::bench {

namespace {

// The question that all peers answer: the ids of the machines that are too hot, 1 % of all.
query_request hot_machines() {
  query_request asked;
  asked.type = "machine";
  asked.where = "temperature > 85";
  asked.select = {"temperature"};
  asked.limit = limits::page_rows_max;
  return asked;
}

// The same, as a count alone.
query_request how_many() {
  auto asked = hot_machines();
  asked.select.clear();
  asked.count_only = true;
  return asked;
}

std::uint64_t rows_of(node& in, const query_request& asked) {
  auto page = in.query(asked);
  if (!page) {
    fmt::print(stderr, "gemel-bench: {}\n", to_string(page.error()));
    std::exit(1);
  }
  return asked.count_only ? page->total : page->twins.size();
}

// One machine of a hundred is above 85 degrees, all others are at most at 85.
void heat(node& in, const options& asked) {
  constexpr std::uint64_t batch = 1'000;
  constexpr std::array<std::string_view, 1> keys = {"temperature"};
  random_source random{asked.seed};
  for (std::uint64_t from = 0; from < asked.twins; from += batch) {
    auto count = static_cast<std::uint32_t>(std::min(batch, asked.twins - from));
    update_batch made{keys, count, 1};
    for (std::uint32_t i = 0; i < count; ++i) {
      auto hot = (from + i) % 100 == 7;
      std::array<update_batch::cell, 1> set = {
          {{0, hot ? 85.01 + random.unit() / 4 : 60 + 25 * random.unit()}}};
      made.add(machine_id(from + i), set);
    }
    std::atomic<bool> done{false};
    in.update_async(made.finish(), [&done](outcome&&) {
      done = true;
      done.notify_one();
    });
    done.wait(false);
  }
}

void measure(node& in, const options& asked, const query_request& question,
             const std::string& how) {
  auto alone = rows_of(in, question);
  histogram latencies;
  auto end = now_seconds() + asked.seconds / 2;
  while (now_seconds() < end || latencies.count() < 3) {
    auto began = now_seconds();
    rows_of(in, question);
    latencies.record(
        std::chrono::nanoseconds{static_cast<std::int64_t>((now_seconds() - began) * 1e9)});
  }
  auto measured = measure_rate(asked, 1, asked.seconds / 2, [&](unsigned, client_load& mine) {
    while (!mine.stopping()) {
      mine.failed.fetch_add(rows_of(in, question) != alone);
      mine.applied.fetch_add(1);
    }
  });
  report_rate(asked, "query", "query_rate_" + how, measured, "queries");
  auto us = [&](double quantile) {
    return static_cast<double>(latencies.value_at(quantile).count()) / 1'000;
  };
  report(asked, "query", "query_p50_" + how, us(0.5), "us");
  report(asked, "query", "query_p99_" + how, us(0.99), "us");
  report(asked, "query", "query_rows_" + how, static_cast<double>(alone), "rows");
  if (how == "scan")
    report(asked, "query", "twins_scanned_rate",
           measured.per_second * static_cast<double>(asked.twins), "twins/s");
}

} // namespace

int run_query(const options& asked) {
  auto with = asked;
  for (bool indexed : {false, true}) {
    with.indexed = indexed;
    auto in = start_node(with);
    create_all(*in, with);
    heat(*in, with);
    measure(*in, with, hot_machines(), indexed ? "index" : "scan");
    if (indexed)
      measure(*in, with, how_many(), "index_count");
  }
  return 0;
}

} // namespace gemel::bench
