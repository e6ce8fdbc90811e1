#include "actors/downsample.hpp"
#include "actors/log_record.hpp"
#include "actors/series_block.hpp"
#include "runtime/adapters/files.hpp"
#include "runtime/adapters/rocks_store.hpp"
#include "workload.hpp"

#include <fmt/format.h>

#include <atomic>
#include <charconv>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

namespace gemel::bench {

namespace {

constexpr std::size_t data_bytes_max = std::size_t{64} << 20;

// ---- series -------------------------------------------------------------------------------------

using points = std::vector<series_point>;

bool fail_with(const std::string& why) {
  fmt::print(stderr, "gemel-bench: {}\n", why);
  return false;
}

double number_of(std::string_view text) {
  double number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// Days since 1970 of a date. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
std::int64_t days_of(int year, unsigned month, unsigned day) {
  year -= month <= 2;
  auto era = (year >= 0 ? year : year - 399) / 400;
  auto of_era = static_cast<unsigned>(year - era * 400);
  auto of_year = (153 * (month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;
  return std::int64_t{era} * 146'097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719'468;
}

// Such as 2013-12-02 21:15:00.
std::int64_t time_of(std::string_view text) {
  auto part = [&](std::size_t at, std::size_t size) {
    return static_cast<unsigned>(number_of(text.substr(at, size)));
  };
  auto seconds = days_of(static_cast<int>(part(0, 4)), part(5, 2), part(8, 2)) * 86'400
                 + part(11, 2) * 3'600 + part(14, 2) * 60 + part(17, 2);
  return seconds * 1'000'000;
}

std::vector<std::string_view> words_of(std::string_view line, char between) {
  std::vector<std::string_view> made;
  while (!line.empty()) {
    auto end = std::min(line.find(between), line.size());
    if (end > 0)
      made.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return made;
}

bool read_nab(const options& asked, std::vector<points>& out) {
  auto text = read_file(asked.data + "/nab/machine_temperature_system_failure.csv", data_bytes_max);
  if (!text)
    return fail_with(to_string(text.error()) + " (see --data)");
  points made;
  for (auto line : words_of(*text, '\n'))
    if (auto words = words_of(line, ','); words.size() == 2 && words[0] != "timestamp")
      made.push_back({time_of(words[0]), {}, number_of(words[1])});
  out.push_back(std::move(made));
  return true;
}

// One series for each engine and sensor, a cycle an hour.
bool read_cmapss(const options& asked, std::vector<points>& out) {
  auto text = read_file(asked.data + "/cmapss/train_FD001.txt", data_bytes_max);
  if (!text)
    return fail_with(to_string(text.error()) + " (see --data)");
  std::string unit;
  std::size_t begin = 0;
  for (auto line : words_of(*text, '\n')) {
    auto words = words_of(line, ' ');
    if (words.size() < 26)
      continue;
    if (words[0] != unit) {
      unit = words[0];
      begin = out.size();
      out.resize(begin + 24);
    }
    auto time = static_cast<std::int64_t>(number_of(words[1])) * 3'600'000'000;
    for (std::size_t i = 0; i < 24; ++i)
      out[begin + i].push_back({time, {}, number_of(words[2 + i])});
  }
  return true;
}

void measure_series(const options& asked, const std::string& name, const std::vector<points>& all) {
  std::size_t count = 0;
  std::size_t bytes = 0;
  std::vector<std::string> blocks;
  for (const auto& one : all) {
    count += one.size();
    blocks.push_back(pack_series(one));
    bytes += blocks.back().size();
  }
  auto total = static_cast<double>(count);
  report(asked, "series", name + "_points", total, "points");
  report(asked, "series", name + "_bytes_per_point", static_cast<double>(bytes) / total, "bytes");
  auto repeat = [&](auto&& once) {
    double done = 0;
    auto begin = processor_seconds();
    while (processor_seconds() - begin < asked.seconds / 4) {
      once();
      done += total;
    }
    return done / (processor_seconds() - begin);
  };
  report(asked, "series", name + "_encode_rate", repeat([&] {
           for (const auto& one : all)
             static_cast<void>(pack_series(one));
         }),
         "points/CPU s");
  series_points back;
  report(asked, "series", name + "_decode_rate", repeat([&] {
           for (const auto& one : blocks)
             static_cast<void>(unpack_series(one, back));
         }),
         "points/CPU s");
}

// From a block's bytes to the averages of 100 intervals.
void measure_aggregate(const options& asked, std::span<const series_point> all) {
  auto block = pack_series(all.first(std::min<std::size_t>(10'000, all.size())));
  series_points back;
  double rounds = 0;
  auto begin = processor_seconds();
  while (processor_seconds() - begin < asked.seconds / 4) {
    static_cast<void>(unpack_series(block, back));
    std::vector<sample> samples(back.size());
    for (std::size_t i = 0; i < samples.size(); ++i)
      samples[i] = {back.times_us[i], back.number(i).value_or(0)};
    auto from = samples.front().time_us;
    auto to = samples.back().time_us + 1;
    static_cast<void>(
        downsample(samples, {.from_us = from, .to_us = to, .interval_us = (to - from) / 100 + 1}));
    ++rounds;
  }
  report(asked, "series", "aggregate_10000", (processor_seconds() - begin) / rounds * 1e6, "us");
}

// ---- the store's engine -------------------------------------------------------------------------

// Lets one thread have so many records on their way.
class window {
public:
  explicit window(int size) : free_{size} {}
  void take() {
    std::unique_lock lock{mutex_};
    wake_.wait(lock, [this] { return free_ > 0; });
    --free_;
  }
  void give() {
    {
      std::lock_guard hold{mutex_};
      ++free_;
    }
    wake_.notify_one();
  }
  void take_all(int size) {
    std::unique_lock lock{mutex_};
    wake_.wait(lock, [&] { return free_ == size; });
  }

private:
  std::mutex mutex_;
  std::condition_variable wake_;
  int free_;
};

constexpr int records_on_their_way = 8;

// What a cell does at the end of each turn: packs `batch` updates of two properties, and appends.
class turn_maker {
public:
  turn_maker(symbols& names, std::uint64_t seed)
      : temperature_{*names.keys.intern("temperature")}, vibration_{*names.keys.intern(
                                                             "vibration")},
        keys_{names.keys}, types_{names.types}, builder_{keys_, types_}, random_{seed} {}

  std::string make(const std::vector<std::string>& ids, std::uint32_t batch) {
    for (std::uint32_t i = 0; i < batch; ++i) {
      auto twin = static_cast<std::uint32_t>(random_.below(ids.size()));
      value first{60 + 25.25 * random_.unit()};
      value second{static_cast<double>(random_.below(1'000)) / 1'000};
      auto time = make_hybrid_time(1'760'000'000'000, static_cast<std::uint16_t>(i));
      counter_ += 2;
      const logged_change changes[] = {{temperature_, &first, {time, make_dot(0, counter_)}},
                                       {vibration_, &second, {time, make_dot(0, counter_ + 1)}}};
      logged_event event;
      event.shard = shard_id{static_cast<std::uint16_t>(twin % limits::shards)};
      event.row = twin;
      event.id = ids[twin];
      event.version = counter_;
      event.time = time;
      event.write = make_dot(0, counter_);
      event.changes = changes;
      builder_.add(event);
    }
    return builder_.take();
  }

private:
  key_id temperature_;
  key_id vibration_;
  symbol_cache keys_;
  symbol_cache types_;
  log_record_builder builder_;
  random_source random_;
  std::uint64_t counter_ = 0;
};

struct load {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  double seconds = 0;
};

load run_load(store_port& into, const options& asked, const std::vector<std::string>& ids,
              durability level) {
  std::atomic<std::uint64_t> records{0};
  std::atomic<std::uint64_t> bytes{0};
  symbols names;
  auto begin = now_seconds();
  std::vector<std::thread> clients;
  for (unsigned client = 0; client < asked.clients; ++client)
    clients.emplace_back([&, client] {
      turn_maker turns{names, asked.seed + client};
      window on_their_way{records_on_their_way};
      while (now_seconds() - begin < asked.seconds) {
        on_their_way.take();
        log_entry entry;
        entry.record = turns.make(ids, asked.batch);
        entry.wanted = level;
        auto size = entry.record.size();
        entry.done = [&, size](const result<void>& what) {
          if (what) {
            ++records;
            bytes += size;
          }
          on_their_way.give();
        };
        while (!into.admit())
          std::this_thread::yield();
        if (!into.append(std::move(entry)))
          on_their_way.give();
      }
      on_their_way.take_all(records_on_their_way);
    });
  for (auto& one : clients)
    one.join();
  return {records, bytes, now_seconds() - begin};
}

} // namespace

int run_series(const options& asked) {
  std::vector<points> nab;
  std::vector<points> cmapss;
  if (!read_nab(asked, nab) || !read_cmapss(asked, cmapss))
    return 1;
  measure_series(asked, "nab", nab);
  measure_series(asked, "cmapss", cmapss);
  measure_aggregate(asked, nab.front());
  return 0;
}

int run_store(const options& asked) {
  auto path = asked.folder.empty() ? (std::filesystem::temp_directory_path() / "gemel-bench-store")
                                   : std::filesystem::path{asked.folder};
  std::vector<std::string> ids;
  for (std::uint64_t i = 0; i < asked.twins; ++i)
    ids.push_back(machine_id(i));
  for (auto level : {durability::memory, durability::process, durability::disk}) {
    std::filesystem::remove_all(path);
    rocks_store::options with;
    with.path = path.string();
    with.ballast_bytes = 0;
    auto store = rocks_store::open(std::move(with));
    if (!store)
      return fail_with(to_string(store.error())) ? 0 : 1;
    auto done = run_load(**store, asked, ids, level);
    auto updates = static_cast<double>(done.records) * asked.batch;
    std::string name{to_string(level)};
    report(asked, "store", "update_rate_" + name, updates / done.seconds, "updates/s");
    report(asked, "store", "record_rate_" + name, static_cast<double>(done.records) / done.seconds,
           "records/s");
    if (level == durability::disk) {
      report(asked, "store", "bytes_per_update", static_cast<double>(done.bytes) / updates,
             "bytes");
      auto counted = (*store)->count();
      report(asked, "store", "records_per_sync",
             static_cast<double>(counted.records) / static_cast<double>(counted.syncs), "records");
    }
    (*store)->stop();
  }
  std::filesystem::remove_all(path);
  return 0;
}

} // namespace gemel::bench
