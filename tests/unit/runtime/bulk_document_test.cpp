#include "runtime/bulk_document.hpp"
#include "runtime/bulk_reader.hpp"
#include "runtime/twin_export.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <limits>
#include <random>

using namespace gemel;

namespace {

std::vector<bulk_entry> read_all(bulk_reader::options wanted, std::string_view text,
                                 std::size_t piece = 1'000) {
  std::vector<bulk_entry> made;
  wanted.file = "f";
  bulk_reader reader{std::move(wanted), [&](bulk_entry one) { made.push_back(std::move(one)); }};
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size())))
    reader.push(text.substr(0, piece));
  reader.finish();
  return made;
}

std::vector<std::string> faults_of(const std::vector<bulk_entry>& entries) {
  std::vector<std::string> made;
  for (const auto& entry : entries)
    for (const auto& one : entry.faults)
      made.push_back(to_string(one));
  return made;
}

using texts = std::vector<std::string>;

value random_value(std::mt19937_64& random, int depth) {
  constexpr std::array<std::string_view, 9> words{
      "", "20.5", "true", " 7", "null", "a,b", "x\ny", "\"q\"", "\xc3\xa4 \xe2\x82\xac"};
  switch (random() % (depth > 0 ? 9 : 7)) {
  case 0:
    return value{static_cast<std::int64_t>(random())};
  case 1:
    return value{static_cast<double>(random() % 1'000) / 8};
  case 2:
    return value{random() % 2 == 0};
  case 3:
    return value{random() % 2 == 0 ? std::numeric_limits<double>::quiet_NaN()
                                   : -std::numeric_limits<double>::infinity()};
  case 4: {
    auto number = random();
    return value::of_bytes(std::as_bytes(std::span{&number, 1}).first(random() % 8));
  }
  case 7:
    return value{value_list{random_value(random, depth - 1), random_value(random, depth - 1)}};
  case 8:
    return value{value_map{{"$map", random_value(random, depth - 1)},
                           {"k", random_value(random, depth - 1)}}};
  default:
    return value{words[random() % words.size()]};
  }
}

} // namespace

TEST_CASE("an update is read with all its fields", "[unit][runtime]") {
  bulk_content made;
  auto faults = read_bulk_record(
      bulk_action::update,
      R"({"id": "m1", "set": {"t": 20.5}, "unset": ["x"], "add": {"n": 1}, "replace": true,
          "paths": [{"path": "limits.high", "set": 85}, {"path": "l", "append": 1}],
          "if_version": 3, "if_absent": ["owner"], "if": "t < 20", "source_time_us": 17})",
      {}, "f", made);
  REQUIRE(faults.empty());
  const auto& change = std::get<twin_update>(made);
  CHECK(change.id == "m1");
  CHECK(change.set == properties{{"t", value{20.5}}});
  CHECK(change.unset == texts{"x"});
  CHECK(change.add == properties{{"n", value{1}}});
  CHECK(change.replace);
  REQUIRE(change.paths.size() == 2);
  CHECK(change.paths[0].path == "limits.high");
  CHECK(change.paths[0].what == path_change::action::set);
  CHECK(change.paths[1].what == path_change::action::append);
  CHECK(change.if_version == 3);
  CHECK(change.if_absent == texts{"owner"});
  CHECK(change.condition == "t < 20");
  CHECK(change.source_time_us == 17);
}

TEST_CASE("deletes and events are read", "[unit][runtime]") {
  bulk_content made;
  CHECK(read_bulk_record(bulk_action::remove, "\"m1\"", {}, "f", made).empty());
  CHECK(std::get<std::string>(made) == "m1");
  CHECK(
      read_bulk_record(bulk_action::remove, R"({"id": "m2", "type": "t"})", {}, "f", made).empty());
  CHECK(std::get<std::string>(made) == "m2");
  CHECK(read_bulk_record(bulk_action::emit, R"({"id": "m", "name": "n", "payload": {"a": 1}})", {},
                         "f", made)
            .empty());
  CHECK(std::get<twin_emit>(made).payload == properties{{"a", value{1}}});
}

TEST_CASE("what is wrong with an item is told with its place", "[unit][runtime]") {
  auto update =
      read_all({.action = bulk_action::update},
               "{\"id\": \"m1\", \"sett\": {}}\n{\"set\": {\"a\": 1, \"a\": 2}}\n{\"id\": "
               "7, \"paths\": [{}], \"if_version\": -1}\n{\"id\": \"a/b\"\n");
  auto told = faults_of(update);
  REQUIRE(told.size() == 7);
  CHECK(told[0] == "f:1:14: /sett: unknown field 'sett' (did you mean 'set'?)");
  CHECK(told[1] == "f:2:18: /set/a: 'a' stands twice (keep one of them)");
  CHECK(told[2] == "f:2:1: 'id' is missing");
  CHECK(told[3] == "f:3:8: /id: 'id' must be a text, not int");
  CHECK(told[4].starts_with("f:3:20: /paths: 'paths' must be a list of changes"));
  CHECK(told[5] == "f:3:40: /if_version: 'if_version' must be a whole number from 0, not int");
  CHECK(told[6].starts_with("f:4:13: expected"));
}

TEST_CASE("CSV columns become fields and typed properties", "[unit][runtime]") {
  auto entries = read_all({.action = bulk_action::create},
                          "id,type,parent,t,serial:text,raw:bytes,.type,on:bool,a:b:int,version\n"
                          "m1,machine,h,20.5,007,AAE=,x,true,7,99\n"
                          "m2,machine,,\"[1, 2]\",,,,,,\n");
  REQUIRE(faults_of(entries).empty());
  REQUIRE(entries.size() == 2);
  const auto& first = std::get<new_twin>(entries[0].item.what);
  CHECK(first.parent == "h");
  CHECK(first.properties[0] == property{"a:b", value{7}});
  CHECK(first.properties[1] == property{"on", value{true}});
  CHECK(first.properties[2].content.is_bytes());
  CHECK(first.properties[3] == property{"serial", value{"007"}});
  CHECK(first.properties[4] == property{"t", value{20.5}});
  CHECK(first.properties[5] == property{"type", value{"x"}});
  CHECK(first.properties.size() == 6);
  const auto& second = std::get<new_twin>(entries[1].item.what);
  CHECK(second.properties == properties{{"t", value{value_list{value{1}, value{2}}}}});
  CHECK(entries[1].item.where.line == 3);
}

TEST_CASE("a wrong CSV header ends it, a wrong record only itself", "[unit][runtime]") {
  auto header = read_all({.action = bulk_action::create}, "id,t:flaot,id\nm1,1,2\n");
  CHECK(faults_of(header)
        == texts{"f:1:4: t:flaot: no kind 'flaot'; text, int, double, bool, bytes or json",
                 "f:1:12: the column 'id' stands twice"});
  REQUIRE(header.size() == 1);
  CHECK(header[0].is_fatal);
  CHECK(faults_of(read_all({.action = bulk_action::create}, "id,x\nm1,1\n"))
        == texts{"f:1:1: the header has no column 'type'"});
  auto rows = read_all({.action = bulk_action::create},
                       "id,type,n:int\na,t,x\nb,t\nc,,1\nd,t,4\n\xff,t,1\n");
  CHECK(faults_of(rows)
        == texts{"f:2:5: n: expected a whole number, found 'x'",
                 "f:3:1: 2 fields, the header has 3", "f:4:1: 'type' is empty",
                 "f:6:1: twin id is not UTF-8"});
  CHECK(rows.size() == 5);
}

TEST_CASE("the format is told by how a text begins", "[unit][runtime]") {
  for (const auto* text :
       {"\n {\"id\": \"a\", \"type\": \"t\"}\n{\"id\": \"b\", \"type\": \"t\"}",
        "\xef\xbb\xbf[{\"id\": \"a\", \"type\": \"t\"},{\"id\": \"b\", \"type\": \"t\"}]",
        "{\n\"id\": \"a\",\n\"type\": \"t\"}\n{\"id\": \"b\", \"type\": \"t\"}",
        "id,type\na,t\nb,t\n", "\"id\",\"type\"\r\na,t\r\nb,t"}) {
    INFO(text);
    for (std::size_t piece : {1, 7, 1'000}) {
      auto entries = read_all({.action = bulk_action::create}, text, piece);
      CHECK(faults_of(entries).empty());
      REQUIRE(entries.size() == 2);
      CHECK(id_of(entries[1].item.what) == "b");
    }
  }
  auto ids = read_all({.action = bulk_action::remove}, "\"a\"\n\"b\"\n");
  REQUIRE(ids.size() == 2);
  CHECK(id_of(ids[1].item.what) == "b");
  CHECK(read_all({.action = bulk_action::remove}, "\"id\"\na\n").size() == 1);
  CHECK(read_all({}, "").empty());
  CHECK(read_all({}, " \n ").empty());
}

TEST_CASE("items before a byte are counted and not read", "[unit][runtime]") {
  std::string text = "id,type\na,t\nb,t\nc,t\n";
  auto all = read_all({}, text);
  REQUIRE(all.size() == 3);
  auto rest = read_all({.skip = all[0].item.where.end}, text);
  REQUIRE(rest.size() == 2);
  CHECK(id_of(rest[0].item.what) == "b");
  CHECK(rest[0].item.where.item == 2);
  CHECK(rest[0].item.where.line == 3);
}

TEST_CASE("exported twins are read back as they were, values and kinds",
          "[unit][runtime][random]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  std::vector<std::string> keys{"type", ".x", "a:b", "\xc3\xa4 ,\"", "version", "plain"};
  for (int round = 0; round < 300; ++round) {
    twin_record twin;
    twin.id = "id,\"" + std::to_string(round);
    twin.type = "t";
    twin.parent = random() % 2 == 0 ? "" : "p";
    for (const auto& key : keys)
      if (random() % 2 == 0)
        twin.properties.push_back({key, random_value(random, 3)});
    csv_writer writer{keys, true};
    for (const auto& text : {twin_line(twin), writer.header() + writer.row(twin)}) {
      INFO(text);
      auto entries = read_all({}, text);
      REQUIRE(faults_of(entries).empty());
      REQUIRE(entries.size() == 1);
      auto read = std::get<new_twin>(entries[0].item.what);
      CHECK(read.id == twin.id);
      CHECK(read.parent == twin.parent);
      REQUIRE(read.properties.size() == twin.properties.size());
      for (const auto& one : read.properties) {
        INFO(one.key);
        REQUIRE(twin.find(one.key) != nullptr);
        CHECK(*twin.find(one.key) == one.content);
      }
    }
  }
}

TEST_CASE("mutated items are read or refused, never half", "[unit][runtime][random]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  const std::array<std::string, 3> right{
      R"({"id": "m1", "set": {"t": {"$double": "nan"}}, "unset": ["x"], "paths": [{"path": "a"}]})",
      R"({"id": "m1", "name": "n", "payload": {"a": {"$map": {"$bytes": 1}}}})",
      R"({"id": "m1", "type": "t", "parent": null, "properties": {"a": [1, "\u00e4"]}})"};
  for (int round = 0; round < 3'000; ++round) {
    auto text = right[random() % right.size()];
    for (auto count = 1 + random() % 3; count > 0; --count)
      text[random() % text.size()] = "{}[]\":,\\\n 1xn\xc3"[random() % 15];
    for (auto action :
         {bulk_action::create, bulk_action::update, bulk_action::remove, bulk_action::emit}) {
      bulk_content made;
      auto faults = read_bulk_record(action, text, {}, "f", made);
      for (const auto& one : faults)
        CHECK((one.line > 0 && one.column > 0 && !one.message.empty()));
      if (faults.empty() && action != bulk_action::create)
        CHECK(!id_of(made).empty());
    }
  }
}
