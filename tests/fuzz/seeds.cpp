#include "actors/series_block.hpp"
#include "actors/sync/replica_record.hpp"
#include "messages/sync_message.hpp"
#include "runtime/bulk_progress.hpp"
#include "runtime/config.hpp"
#include "runtime/store/store_keys.hpp"
#include "runtime/store/write_ahead_scan.hpp"
#include "tests/support/random_records.hpp"
#include "workflows/run_record_value.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

/// Writes what each fuzz target starts from into FOLDER/NAME: what the program itself makes, and
/// the documents of the source tree.

namespace {

using namespace gemel;
namespace files = std::filesystem;

class seed_folder {
public:
  seed_folder(files::path to, const std::string& name) : to_{std::move(to) / name} {
    files::create_directories(to_);
  }
  void add(std::string_view bytes) {
    auto path = to_ / ("seed-" + std::to_string(count_++));
    std::ofstream file{path, std::ios::binary};
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) {
      std::fprintf(stderr, "%s: cannot be written\n", path.c_str());
      std::exit(1);
    }
  }
  /// With a first byte that says which reader is meant.
  void add(unsigned which, std::string_view bytes) {
    add(std::string(1, static_cast<char>(which)) + std::string{bytes});
  }
  /// All files of a folder of the source tree whose names end so; each line by itself, if wanted.
  void add_files(const files::path& from, const std::string& ending, bool lines = false) {
    std::set<files::path> found;
    for (const auto& one : files::directory_iterator{from})
      if (one.path().extension() == ending)
        found.insert(one.path());
    for (const auto& path : found) {
      std::ifstream file{path, std::ios::binary};
      std::stringstream whole;
      whole << file.rdbuf();
      std::string line;
      if (!lines)
        add(whole.str());
      else
        while (std::getline(whole, line))
          add(line);
    }
  }

private:
  files::path to_;
  std::size_t count_ = 0;
};

void write_frames(seed_folder to) {
  test::random_messages random{1};
  for (std::size_t i = 0; i < 3 * test::random_messages::kinds; ++i) {
    auto made = random.any_frame(i);
    auto bytes = made.bytes();
    to.add({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
}

void write_records(seed_folder to) {
  test::random_records random{1};
  symbols names;
  for (std::size_t most = 1; most < 30; ++most)
    to.add(random.record(random.some_events(most), names));
}

void write_snapshots(seed_folder to) {
  test::random_records random{1};
  to.add(0, store::pack_snapshot({3, log_position{700}, 12, 99}));
  to.add(1, store::pack_identity({"0123456789abcdef", "factory", 4, "boot"}));
  to.add(2, store::pack_position(log_position{123'456}));
  to.add(3, store::log_key(log_position{7}));
  to.add(3, store::snapshot_key(shard_id{44}));
  for (int i = 0; i < 20; ++i)
    to.add(4, pack_twin(random.twin()));
}

void write_series(seed_folder to) {
  test::random_messages random{1};
  for (int kind = 0; kind < 12; ++kind) {
    std::vector<series_point> points;
    for (std::int64_t i = 0; i < 40; ++i) {
      value content = kind % 6 == 0   ? random.any_value(2)
                      : kind % 6 == 1 ? value{i % 3 == 0}
                      : kind % 6 == 2 ? value{i * i - 50}
                      : kind % 6 == 3 ? value{20 + static_cast<double>(i) / 10}
                      : kind % 6 == 4 ? value{1.0 / static_cast<double>(i + 1)}
                                      : value{i % 4 == 0 ? "running" : "a longer text, stopped"};
      auto time = 1'700'000'000'000'000 + i * 1'000'000;
      points.push_back({time, kind < 6 ? hybrid_time{} : make_hybrid_time(time / 1'000 + i, 1),
                        std::move(content), kind % 2 == 0 ? 0 : static_cast<std::uint64_t>(i + 7)});
    }
    to.add(pack_series(points));
  }
}

std::vector<replicated_entry> some_entries() {
  constexpr auto own = make_writer(site_id{1}, 5);
  constexpr auto other = make_writer(site_id{2}, 6);
  sibling first{{own, 12}, make_hybrid_time(1'700'000'000'000, 1), {own, 1}, 3, value{21.5}};
  sibling second{{other, 3}, make_hybrid_time(1'700'000'000'100, 0), {own, 1}, 2, value{"text"}};
  sibling life = first;
  life.write.number = 11;
  return {{"pump-1", "temperature", {first, second}},
          {"pump-1", "pressure", {}},
          {"pump-2", replica_keys::life, {life}}};
}

version_vector some_clock() {
  version_vector made;
  made.advance({make_writer(site_id{1}, 5), 12});
  made.advance({make_writer(site_id{2}, 6), 3});
  return made;
}

void write_sync(seed_folder to) {
  sync_part part;
  part.shard = 17;
  part.from = 4;
  part.to = 9;
  part.cut = 77;
  part.clock = some_clock();
  part.entries = some_entries();
  const std::vector<sync_message> all = {
      sync_hello{1, 1, "cluster", "node-a", site_id{7}, 3, 99, 98, 1 << 20},
      sync_ack{true, 1 << 20, {{17, 9, 77, 1}, {18, 2, 0, 0}}},
      part,
      sync_nack{17, sync_refusal::gap, 4, 0},
      sync_ping{1, 1'700'000'000'000'000, true},
      sync_pong{1, 1'700'000'000'000'000, 1'700'000'000'000'100, 1'700'000'000'000'200},
      sync_digest{{{17, 5, 6, 0}, {18, 7, 8, 9}}},
      sync_buckets{17, 5, {1, 2, 3}},
      sync_repair{17, some_clock(), some_entries()},
      sync_bye{sync_goodbye::stopping},
  };
  for (const auto& one : all) {
    sent_names names{100};
    auto made = make_sync(1, one, names);
    auto sync = made.message().getSync();
    auto body = sync.getBody();
    to.add(sync.getKind(), {reinterpret_cast<const char*>(body.begin()), body.size()});
  }
}

void write_replicas(seed_folder to) {
  replica_record made{7, 12, 3, {site_id{9}, 44, 5}, {}, {}};
  to.add(pack_record(made));
  made.clock = some_clock();
  made.entries = some_entries();
  for (std::size_t i = 0; i < made.entries.size(); ++i)
    made.numbers.push_back(i + 1);
  made.last_change = made.numbers.size();
  to.add(pack_record(made));
}

void write_run_logs(seed_folder to) {
  for (auto kind : {run_record::kind::started, run_record::kind::step_ended,
                    run_record::kind::vars_set, run_record::kind::ended}) {
    run_record made;
    made.what = kind;
    made.step = 2;
    made.at_ms = 1'700'000'000'000;
    made.outcome.result = value{value_map{{"a", value{1.5}}}};
    to.add(to_json(to_value(made)));
    to.add(pack_checked(to_value(made)));
  }
  to.add(to_text({bulk_action::update, 1'000, 7, 500, 12}));
}

// Two records of a log file as RocksDB writes it: masked CRC-32C, length, kind, content.
void write_ahead_logs(seed_folder to) {
  std::string log;
  for (std::string_view content : {"one record", "another"}) {
    auto checked = '\1' + std::string{content}; // a whole record
    auto crc = store::crc32c(checked);
    byte_writer head;
    head.fixed((crc >> 15 | crc << 17) + 0xa282ead8U);
    head.fixed(static_cast<std::uint16_t>(content.size()));
    log += std::string{head.view()} + checked;
  }
  to.add(log);
  to.add(log + std::string(9, '\0') + log);
  to.add(log.substr(0, log.size() - 3));
}

void write_texts(const files::path& to, const files::path& source) {
  seed_folder config{to, "config"};
  config.add(write_config({}));
  config.add_files(source / "config", ".toml");
  config.add("[types.machine]\nextends = \"device\"\nclosed = true\n"
             "[types.machine.properties.temperature]\nkind = \"number\"\nunit = \"degC\"\n"
             "min = -40\nmax = 150.5\nindexed = true\nhistory = true\n[types.device]\n");
  config.add(std::string{"[node]\nid = \"a\"\n"} + '\0' + "listen.port=7");

  seed_folder json{to, "json"};
  for (const char* text :
       {"{\"a\": [1, -2.5e3, true, null, \"x\\u00e9\\n\"], \"b\": {\"$double\": \"nan\"}}",
        "{\"$bytes\": \"AAEC\"}", "[[[[]]]]", "9223372036854775808", "\"\\ud83d\\ude00\""})
    json.add(text);

  seed_folder expression{to, "expression"};
  for (const char* text :
       {"temperature > 90 AND NOT (state = 'off' OR vibration IS NULL)",
        "name LIKE 'press-%' AND limits.high[0] BETWEEN 1 AND 2.5e3",
        "round(a * -2 + b / 3 % 4) IN (1, 2, 'x') || is_defined(\"odd name\")",
        "last(rise.temperature, 20) - first(rise.temperature) >= 5", "count(rise) > 3",
        "changed(temperature)", "is_of_model('m') && has_capability('c')",
        "contains(tags, 'x') and length(lower(name)) <> 0"})
    expression.add(text);

  seed_folder rule{to, "rule"};
  rule.add_files(source / "examples/rules", ".json");
  seed_folder workflow{to, "workflow"};
  workflow.add_files(source / "examples/workflows", ".json");
  workflow.add("*/5 0-12 1,15 jan-mar mon");
  seed_folder event{to, "event-line"};
  event.add_files(source / "examples/rules", ".jsonl", true);
  event.add("2026-01-01T01:00:00.250+01:00");
  event.add("90m");
}

void write_bulk(seed_folder to) {
  constexpr unsigned csv = 4;
  to.add(csv, "id,type,parent,temperature,serial:text,\"odd \"\"name\"\":json\r\n"
              "m1,machine,,20.5,007,\"{\"\"a\"\": 1}\"\r\nm2,machine,m1,,,\n");
  to.add(csv | 1,
         "id,if_version,source_time_us,open:bool,raw:bytes\nm1,3,1700000000000000,true,AA==\n");
  to.add(csv | 2, "id\nm1\nm2\n");
  to.add(csv | 3, "id,name,by\nm1,serviced,A7\n");
  to.add(0u, R"({"id": "m1", "type": "machine", "parent": null, "properties": {"t": 20.5}})");
  to.add(1, R"({"id": "m1", "set": {"t": 20.5}, "unset": ["x"], "add": {"n": 1}, "replace": true,
 "paths": [{"path": "limits.high", "set": 85}], "if_version": 3, "if_absent": ["owner"],
 "if": "t < 20", "source_time_us": 1700000000000000})");
  to.add(1, "{\"id\": \"m1\", \"set\": {\"t\": 1}}\n{\"id\": \"m2\", \"set\": {\"t\": 2}}\n");
  to.add(2, "\"m1\"\n{\"id\": \"m2\"}\n");
  to.add(3, R"({"id": "m1", "name": "serviced", "payload": {"by": "A7"}})");
  to.add(0u, R"([{"id": "m1", "type": "a"}, {"type": "b", "properties": {"x": {"y": [1, 2]}}}])");
}

} // namespace

int main(int argc, char* argv[]) {
  if (argc != 3) {
    std::fputs("usage: gemel-fuzz-seeds FOLDER SOURCES\n", stderr);
    return 2;
  }
  files::path to{argv[1]};
  write_frames({to, "frame"});
  write_records({to, "log-record"});
  write_snapshots({to, "snapshot"});
  write_series({to, "history-block"});
  write_sync({to, "sync-message"});
  write_replicas({to, "replica-record"});
  write_run_logs({to, "run-log"});
  write_bulk({to, "bulk"});
  write_ahead_logs({to, "write-ahead"});
  write_texts(to, argv[2]);
}
