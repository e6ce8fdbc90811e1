// What the program prints, made without a terminal.

#include "runtime/program/assignment.hpp"
#include "runtime/program/display.hpp"
#include "runtime/program/error_text.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/table.hpp"
#include "runtime/program/tree_text.hpp"
#include "runtime/program/twin_text.hpp"
#include "runtime/program/units.hpp"
#include "tests/support/catch.hpp"

#include <limits>

using namespace gemel;

namespace {

twin_record press() {
  return {.id = "press-7",
          .type = "machine",
          .parent = "hall-3",
          .path = "/hall-3/press-7",
          .version = 12,
          .lifecycle = lifecycle_state::active,
          .updated_at_us = 1'714'566'600'250'000,
          .has_children = false,
          .properties = {{"temperature", 68.5}, {"status", "cutting"}}};
}

} // namespace

TEST_CASE("display_width counts what a terminal shows", "[unit][runtime][program]") {
  CHECK(display_width("") == 0);
  CHECK(display_width("abc") == 3);
  CHECK(display_width("Größe") == 5);
  CHECK(display_width("e\xcc\x81") == 1);
  CHECK(display_width("温度") == 4);
  CHECK(display_width("🔥") == 2);
  CHECK(display_width("\xff\xfe") == 2);
}

TEST_CASE("printable leaves nothing that a terminal obeys", "[unit][runtime][program]") {
  CHECK(printable("Größe 温度") == "Größe 温度");
  CHECK(printable("a\nb\tc\r") == "a\\nb\\tc\\r");
  CHECK(printable("\x1b[31mred") == "\\x1b[31mred");
  CHECK(printable("\xc2\x9b"
                  "31m")
        == "\\x9b31m");
  CHECK(printable("a\xe2\x80\xae"
                  "b")
        == "a\xef\xbf\xbd"
           "b");
  CHECK(printable("cut \xe6\xb8") == "cut \xef\xbf\xbd\xef\xbf\xbd");
  CHECK(printable(std::string_view{"\0", 1}) == "\\x00");
}

TEST_CASE("shortened never takes more columns than it may", "[unit][runtime][program]") {
  CHECK(shortened("temperature", 11, true) == "temperature");
  CHECK(shortened("temperature", 10, true) == "temperatu…");
  CHECK(shortened("temperature", 5, false) == "temp~");
  CHECK(shortened("温度計", 5, true) == "温度…");
  CHECK(shortened("温度計", 4, true) == "温…");
  CHECK(shortened("abc", 1, true) == "…");
  CHECK(shortened("abc", 0, true).empty());
}

TEST_CASE("a table aligns texts left and numbers right", "[unit][runtime][program]") {
  table drawn{{{"ID"}, {"temperature"}, {"note"}}, {}};
  CHECK(drawn.draw({{{"press-7"}, {"68.5", true}, {"x"}}, {{"p"}, {"7", true}, {}}})
        == "ID       temperature  note\n"
           "press-7         68.5  x\n"
           "p                  7\n");
  CHECK(drawn.draw({{{"long-long"}, {"1", true}, {"y"}}}) == "long-long            1  y\n");
}

TEST_CASE("a table without rows is its titles", "[unit][runtime][program]") {
  CHECK(table{{{"ID"}, {"TYPE"}}, {}}.draw({}) == "ID  TYPE\n");
}

TEST_CASE("a table fits its terminal, whatever its rows hold", "[unit][runtime][program]") {
  std::vector<std::vector<table_cell>> rows{
      {{std::string(30, 'i')}, {"machine"}, {std::string(40, 'x')}, {"温度温度温度温度温度"}}};
  for (std::size_t width = 18; width < 120; ++width) {
    table drawn{{{"ID"}, {"TYPE"}, {"note", true}, {"more", true}}, {width, true}};
    auto text = drawn.draw(rows);
    INFO(width << "\n" << text);
    auto end = text.find('\n');
    CHECK(display_width(text.substr(0, end)) <= width);
    CHECK(display_width(text.substr(end + 1, text.size() - end - 2)) <= width);
    std::size_t absent = 0;
    for (const auto* title : {"more", "note"})
      absent += text.find(title) == std::string::npos ? 1 : 0;
    CHECK(drawn.left_out() == absent);
  }
}

TEST_CASE("a table cuts and leaves out what may go before ids", "[unit][runtime][program]") {
  std::vector<std::vector<table_cell>> rows{{{"press-0001"}, {std::string(20, 'x')}}};
  table narrow{{{"ID"}, {"note", true}}, {20, true}};
  CHECK(narrow.draw(rows) == "ID          note\npress-0001  xxxxxxx…\n");
  table narrower{{{"ID"}, {"note", true}}, {12, true}};
  CHECK(narrower.draw(rows) == "ID\npress-0001\n");
  CHECK(narrower.left_out() == 1);
  table least{{{"ID"}, {"note", true}}, {9, false}};
  CHECK(least.draw(rows) == "ID\npress-00~\n");
}

TEST_CASE("numbers have units that people read", "[unit][runtime][program]") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1'000) == "1,000");
  CHECK(grouped(12'345'678) == "12,345,678");
  CHECK(counter_text(1'500) == "1,500");
  CHECK(counter_text(-1'500) == "-1,500");
  CHECK(counter_text(0.25) == "0.25");
  CHECK(counter_text(std::numeric_limits<double>::infinity()) == "inf");
  CHECK(bytes_text(512) == "512 B");
  CHECK(bytes_text(1'536) == "1.5 KiB");
  CHECK(bytes_text(1'048'575) == "1.0 MiB");
  CHECK(latency_text(0) == "0 ns");
  CHECK(latency_text(850) == "850 ns");
  CHECK(latency_text(12'345) == "12.3 us");
  CHECK(latency_text(999'999) == "1.00 ms");
  CHECK(latency_text(250'000'000) == "250 ms");
  CHECK(latency_text(61'000'000'000) == "61.0 s");
}

TEST_CASE("time_text is RFC 3339 in UTC", "[unit][runtime][program]") {
  CHECK(time_text(0) == "1970-01-01T00:00:00.000000Z");
  CHECK(time_text(1'714'566'600'250'000) == "2024-05-01T12:30:00.250000Z");
  CHECK(time_text(-1) == "1969-12-31T23:59:59.999999Z");
  CHECK(time_text(253'402'300'799'999'999) == "9999-12-31T23:59:59.999999Z");
  CHECK(time_text(std::numeric_limits<std::int64_t>::max()) == "9223372036854775807");
}

TEST_CASE("an assignment's value is JSON if it is valid, else a text", "[unit][runtime][program]") {
  auto content = [](std::string_view text) { return parse_assignment(text)->content; };
  CHECK(content("t=20.5") == value{20.5});
  CHECK(content("n=-3") == value{-3});
  CHECK(content("on=true") == value{true});
  CHECK(content("gone=null") == value{});
  CHECK(content("name=Press 7") == value{"Press 7"});
  CHECK(content("code=\"007\"") == value{"007"});
  CHECK(content("code=007") == value{"007"});
  CHECK(content("empty=") == value{""});
  CHECK(content("formula=a=b") == value{"a=b"});
  CHECK(to_json(content("l=[1, {\"a\": null}]")) == "[1,{\"a\":null}]");
  CHECK(parse_assignment("t=1")->key == "t");
}

TEST_CASE("bad assignments are refused by name", "[unit][runtime][program]") {
  auto refused = [](const std::string& text) { return parse_assignment(text).error(); };
  CHECK(refused("temperature").code == errc::bad_syntax);
  CHECK(refused("temperature").context.find("'temperature'") == 0);
  CHECK(refused("=5").code == errc::bad_name);
  CHECK(refused("a\nb=5").code == errc::bad_name);
  CHECK(refused("t=\xff").code == errc::bad_value);
  CHECK(refused("t=" + std::string(40, '[') + std::string(40, ']')).code == errc::limit_reached);
  std::vector<std::string> twice{"a=1", "b=2", "a=3"};
  CHECK(parse_assignments(twice).error() == error{errc::bad_value, "property 'a' stands twice"});
  CHECK(parse_assignments({}).value().empty());
}

TEST_CASE("an error in an expression is shown with a caret", "[unit][runtime][program]") {
  CHECK(place_in("where, line 1, column 15: expected a value") == text_place{1, 15});
  CHECK(place_in("where: line 2, column 3: x") == text_place{2, 3});
  CHECK_FALSE(place_in("press-7"));
  CHECK_FALSE(place_in("line 3 is short"));
  CHECK_FALSE(place_in("line 0, column 1"));
  CHECK(caret_lines("temperature > > 5", {1, 15}) == "  temperature > > 5\n                ^\n");
  CHECK(caret_lines("温度 > > 5", {1, 6}) == "  温度 > > 5\n         ^\n");
  CHECK(caret_lines("a\nb >", {2, 4}) == "  b >\n     ^\n");
  CHECK(caret_lines("a", {7, 7}) == "  \n  ^\n");
  CHECK(error_line({errc::twin_not_found, "x\x1b"}) == "gemel: twin_not_found: x\\x1b\n");
}

TEST_CASE("a twin is printed with all it has", "[unit][runtime][program]") {
  CHECK(twin_text(press())
        == "id             press-7\n"
           "type           machine\n"
           "parent         hall-3\n"
           "path           /hall-3/press-7\n"
           "state          active\n"
           "version        12\n"
           "updated        2024-05-01T12:30:00.250000Z\n"
           "  temperature  68.5\n"
           "  status       cutting\n");
  CHECK(twin_json(press())
        == R"({"id":"press-7","type":"machine","parent":"hall-3","path":"/hall-3/press-7",)"
           R"("version":12,"state":"active","updated_at":"2024-05-01T12:30:00.250000Z",)"
           R"("has_children":false,"properties":{"temperature":68.5,"status":"cutting"}})");
}

TEST_CASE("hostile ids and values come out as valid JSON", "[unit][runtime][program]") {
  auto twin = press();
  twin.id = "a\"b\\c\x01";
  twin.properties = {{"k\"\n", "v\"\x1f"}, {"n", std::numeric_limits<double>::quiet_NaN()}};
  auto read = value_from_json(twin_json(twin));
  REQUIRE(read);
  CHECK(*read->find("id") == value{twin.id});
  CHECK(*read->find("properties")->find("k\"\n") == value{"v\"\x1f"});
}

TEST_CASE("twins are listed page by page under one head", "[unit][runtime][program]") {
  twin_table drawn{{}, {}};
  auto other = press();
  other.id = "p8";
  other.properties = {{"load", 1}};
  CHECK(drawn.draw(std::vector{press(), other})
        == "ID       TYPE     PARENT  STATE   VERSION  temperature  status   load\n"
           "press-7  machine  hall-3  active       12         68.5  cutting\n"
           "p8       machine  hall-3  active       12                           1\n");
  CHECK(drawn.draw(std::vector{other})
        == "p8       machine  hall-3  active       12                           1\n");
}

TEST_CASE("a query with select lists ids and what was selected", "[unit][runtime][program]") {
  twin_table drawn{{"status", "round(temperature)"}, {}};
  auto twin = press();
  twin.properties = {{"round(temperature)", 69}};
  CHECK(drawn.draw(std::vector{twin})
        == "ID       status  round(temperature)\npress-7                          69\n");
}

TEST_CASE("an event is one line with old and new values", "[unit][runtime][program]") {
  twin_event event{.kind = event_kind::updated,
                   .id = "press-7",
                   .type = "machine",
                   .version = 13,
                   .lifecycle = lifecycle_state::active,
                   .time_us = 250'000,
                   .changes = {{"temperature", 20.5, 21}, {"note", {}, "a\nb"}}};
  CHECK(event_text(event)
        == "1970-01-01T00:00:00.250000Z  updated    press-7 (machine)  v13  "
           "temperature: 20.5 -> 21, note: - -> a\\nb\n");
  CHECK(event_json(event)
        == R"({"event":"updated","id":"press-7","type":"machine","parent":null,"version":13,)"
           R"("state":"active","time":"1970-01-01T00:00:00.250000Z",)"
           R"("changes":{"temperature":{"old":20.5,"new":21},"note":{"old":null,"new":"a\nb"}}})");
  event.kind = event_kind::lifecycle;
  event.lifecycle = lifecycle_state::suspended;
  event.changes.clear();
  CHECK(event_text(event).find("  state: suspended\n") != std::string::npos);
  event.kind = event_kind::crashed;
  event.detail = "out of range";
  CHECK(event_text(event).find("  out of range\n") != std::string::npos);
  CHECK(event_json(event).find(R"("detail":"out of range")") != std::string::npos);
  CHECK(missed_text(1'200).find("1,200 events were left out") != std::string::npos);
  CHECK(missed_text(1).find("1 event was left out") != std::string::npos);
}

TEST_CASE("a tree is drawn with boxes or ASCII", "[unit][runtime][program]") {
  auto named = [](const std::string& id) {
    auto twin = press();
    twin.id = id;
    return twin;
  };
  auto draw = [&](bool is_utf8) {
    tree_lines lines{is_utf8};
    auto text = lines.twin(named("a"), 0, false);
    text += lines.twin(named("b"), 1, false);
    text += lines.twin(named("c"), 2, true);
    text += lines.twin(named("d"), 1, true);
    text += lines.twin(named("e"), 2, false);
    text += lines.more(1'000, 2);
    return text + lines.twin(named("f"), 0, true);
  };
  CHECK(draw(true)
        == "a (machine)\n"
           "├── b (machine)\n"
           "│   └── c (machine)\n"
           "└── d (machine)\n"
           "    ├── e (machine)\n"
           "    └── … 1,000 more\n"
           "f (machine)\n");
  CHECK(draw(false).find("`-- d (machine)\n    |-- e (machine)\n    `-- ... 1,000 more\n")
        != std::string::npos);
  auto idle = press();
  idle.lifecycle = lifecycle_state::suspended;
  CHECK(tree_label(idle) == "press-7 (machine) [suspended]");
}

TEST_CASE("stats are two tables, and rates when watched", "[unit][runtime][program]") {
  stats_record then{{{"gemel_updates_total", 1'000, "Updates"}}, {}};
  stats_record now{
      {{"gemel_updates_total", 5'000, "Updates"}, {"gemel_resident_bytes", 2'048, "M"}},
      {{"gemel_update_latency", 12'000, 850, 12'345, 1'500'000, 2'000'000'000}}};
  CHECK(stats_text(now, nullptr, 0, {})
        == "COUNTER                 VALUE  MEANING\n"
           "gemel_updates_total     5,000  Updates\n"
           "gemel_resident_bytes  2.0 KiB  M\n"
           "\n"
           "LATENCY                COUNT     P50      P99    P99.9     MAX\n"
           "gemel_update_latency  12,000  850 ns  12.3 us  1.50 ms  2.00 s\n");
  CHECK(stats_text(now, &then, 2, {}).find("gemel_updates_total     5,000       2,000  Updates\n")
        != std::string::npos);
  auto read = value_from_json(stats_json(now));
  REQUIRE(read);
  CHECK(to_json(*read->find("latencies")->as_list()[0].find("p999_ns")) == "1500000");
  CHECK(*read->find("counters")->as_list()[0].find("value") == value{5'000});
}
