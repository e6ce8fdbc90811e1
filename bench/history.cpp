#include "actors/history_writer.hpp"
#include "actors/log_record.hpp"
#include "runtime/adapters/files.hpp"
#include "runtime/adapters/rocks_history.hpp"
#include "workload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

namespace gemel::bench {

namespace {

constexpr std::int64_t second_us = 1'000'000;
constexpr std::int64_t start_us = 1'767'225'600 * second_us; // 2026-01-01
constexpr const char* property_key = "temperature";

model_table machines() {
  type_model machine;
  machine.name = "machine";
  property_model kept;
  kept.key = property_key;
  kept.history = true;
  machine.properties.push_back(std::move(kept));
  return model_table::make({std::move(machine)}).value();
}

std::optional<std::string> type_of(std::string_view) {
  return "machine";
}

// Records of one measurement each of twins in turn, once a second, with the noise of a sensor: two
// decimals, some milliseconds until it is written.
class measurements {
public:
  measurements(std::uint64_t twins, std::uint64_t seed)
      : key_{*names_.keys.intern(property_key)}, random_{seed} {
    for (std::uint64_t i = 0; i < twins; ++i)
      ids_.push_back(machine_id(i));
    levels_.resize(twins, 60);
  }

  /// @param most events of the record.
  std::string record(std::uint32_t most) {
    for (std::uint32_t i = 0; i < most; ++i) {
      auto twin = static_cast<std::uint32_t>(at_ % ids_.size());
      auto round = static_cast<std::int64_t>(at_ / ids_.size());
      ++at_;
      auto& level = levels_[twin];
      level = std::round((level + 0.1 * (random_.unit() - 0.5)) * 100) / 100;
      value content{level};
      auto time_us = start_us + round * second_us;
      auto written = make_hybrid_time(time_us / 1'000 + static_cast<std::int64_t>(random_.below(4)),
                                      static_cast<std::uint16_t>(i % 100));
      logged_change change{key_, &content, {written, make_dot(0, at_)}};
      logged_event event;
      event.shard = shard_id{static_cast<std::uint16_t>(twin % limits::shards)};
      event.row = twin;
      event.id = ids_[twin];
      event.version = at_ / ids_.size() + 1;
      event.time = written;
      event.write = change.at.write;
      event.source_time_us = time_us;
      event.changes = {&change, 1};
      builder_.add(event);
    }
    return builder_.take();
  }

private:
  symbols names_;
  symbol_cache keys_{names_.keys};
  symbol_cache types_{names_.types};
  log_record_builder builder_{keys_, types_};
  key_id key_;
  random_source random_;
  std::vector<std::string> ids_;
  std::vector<double> levels_;
  std::uint64_t at_ = 0;
};

class database_folder {
public:
  explicit database_folder(const options& asked)
      : path_{(asked.folder.empty() ? std::filesystem::temp_directory_path()
                                    : std::filesystem::path{asked.folder})
              / fmt::format("gemel-bench-history-{}", process_number())} {
    std::filesystem::remove_all(path_);
  }
  ~database_folder() { std::filesystem::remove_all(path_); }
  database_folder(const database_folder&) = delete;
  database_folder& operator=(const database_folder&) = delete;

  std::unique_ptr<rocks_database> open() const {
    rocks_database::options with;
    with.path = path_.string();
    return rocks_database::open(std::move(with)).value();
  }

private:
  static std::size_t process_number() {
    return static_cast<std::size_t>(now_seconds() * 1e6) % 1'000'000'000;
  }
  std::filesystem::path path_;
};

// Records are made before they are taken in, since a cell makes them elsewhere.
bool measure_ingestion(const options& asked, rocks_database& into, const model_table& models) {
  rocks_history disk{into};
  history_writer history{models, disk, type_of, {}};
  measurements log{asked.twins, asked.seed};
  if (auto ready = history.open({}); !ready)
    return false;
  std::uint64_t position = 0;
  std::uint64_t values = 0;
  double processor = 0;
  double wall = 0;
  constexpr std::size_t records = 200;
  while (wall < asked.seconds) {
    std::vector<std::string> made;
    for (std::size_t i = 0; i < records; ++i)
      made.push_back(log.record(asked.batch));
    auto processor_begin = processor_seconds();
    auto begin = now_seconds();
    for (const auto& record : made) {
      auto now = start_us + static_cast<std::int64_t>(position) * 1'000;
      if (auto taken = history.take(log_position{++position}, record, now); !taken)
        return false;
      if (auto done = history.tick(now); !done)
        return false;
    }
    processor += processor_seconds() - processor_begin;
    wall += now_seconds() - begin;
    values += records * asked.batch;
  }
  auto processor_begin = processor_seconds();
  auto begin = now_seconds();
  if (auto written = history.flush(); !written)
    return false;
  processor += processor_seconds() - processor_begin;
  wall += now_seconds() - begin;
  auto total = static_cast<double>(values);
  report(asked, "history", "ingest_rate", total / processor, "values/CPU s");
  report(asked, "history", "ingest_rate_wall", total / wall, "values/s");
  report(asked, "history", "ingest_bytes_per_value",
         static_cast<double>(history.count().block_bytes)
             / static_cast<double>(history.count().points),
         "bytes written");
  return true;
}

template <class Question>
double microseconds_of(const options& asked, Question ask) {
  double rounds = 0;
  auto begin = now_seconds();
  while (now_seconds() - begin < asked.seconds / 4) {
    ask();
    ++rounds;
  }
  return (now_seconds() - begin) / rounds * 1e6;
}

// Of one twin with 10,000 values, as the service `history` asks.
bool measure_questions(const options& asked, rocks_database& into, const model_table& models,
                       bool is_open) {
  constexpr std::uint32_t values = 10'000;
  rocks_history disk{into};
  history_writer history{models, disk, type_of, {}};
  measurements log{1, asked.seed};
  if (auto ready = history.open({}); !ready)
    return false;
  auto position = static_cast<std::uint64_t>(history.taken());
  for (std::uint32_t i = 0; i < 10; ++i)
    if (auto taken = history.take(log_position{++position}, log.record(values / 10), start_us);
        !taken)
      return false;
  if (auto written = is_open ? result<void>{} : history.flush(); !written)
    return false;
  const std::string name = is_open ? "_open" : "";
  const std::vector<std::string> ids{machine_id(0)};
  downsample_request wanted{.from_us = start_us,
                            .to_us = start_us + values * second_us,
                            .interval_us = values / 100 * second_us};
  auto aggregate = [&](sample_function function, double percent) {
    wanted.function = function;
    wanted.percent = percent;
    return microseconds_of(asked, [&] {
      auto page = history.look(ids).aggregate(ids[0], property_key, wanted, 1'000);
      if (!page || page->rows.size() != 100 || page->rows[50].count != 100)
        fmt::print(stderr, "gemel-bench: a wrong answer\n");
    });
  };
  report(asked, "history", "aggregate_10000" + name, aggregate(sample_function::avg, 0), "us");
  if (is_open)
    return true;
  report(asked, "history", "percentile_10000", aggregate(sample_function::percentile, 95), "us");
  report(asked, "history", "time_weighted_10000", aggregate(sample_function::time_weighted_avg, 0),
         "us");
  report(asked, "history", "range_10000",
         microseconds_of(asked,
                         [&] {
                           static_cast<void>(history.look(ids).range(ids[0], property_key,
                                                                     INT64_MIN, INT64_MAX, values));
                         }),
         "us");
  report(asked, "history", "state_as_of",
         microseconds_of(asked,
                         [&] {
                           static_cast<void>(
                               history.look(ids).state_at(ids[0], {start_us + 5'000 * second_us}));
                         }),
         "us");
  return true;
}

} // namespace

int run_history(const options& asked) {
  auto models = machines();
  auto done = true;
  {
    database_folder folder{asked};
    auto database = folder.open();
    done = measure_ingestion(asked, *database, models);
  }
  for (bool is_open : {false, true}) {
    database_folder folder{asked};
    auto database = folder.open();
    done = done && measure_questions(asked, *database, models, is_open);
  }
  if (!done) {
    fmt::print(stderr, "gemel-bench: history failed\n");
    return 1;
  }
  if (!std::filesystem::exists(asked.data + "/nab")) {
    fmt::print(stderr, "gemel-bench: skipped the real series: no folder {}/nab (see --data)\n",
               asked.data);
    return 0;
  }
  return run_series(asked);
}

} // namespace gemel::bench
