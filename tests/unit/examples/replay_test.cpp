#include "examples/factory/replay.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <tuple>
#include <vector>

using namespace gemel;
using namespace gemel::factory;

namespace {

// 2013-12-02 21:15:00 UTC
constexpr std::int64_t at_us = 1'386'018'900'000'000;

// What `text` holds: samples as "time value", faults as their whole text.
std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream input{text};
  auto opened = replay::open(input, "m.csv");
  if (!opened)
    return {to_string(opened.error())};
  std::vector<std::string> lines;
  while (lines.size() < 100) {
    auto row = opened->next();
    if (row && !*row)
      break;
    std::ostringstream line;
    if (row)
      line << (*row)->time_us - at_us << " " << (*row)->value;
    else
      line << to_string(row.error());
    lines.push_back(line.str());
  }
  return lines;
}

using lines = std::vector<std::string>;

const std::string header = "timestamp,value\n";
const std::string time_hint =
    " (a time is '2013-12-02 21:15:00', with T and Z if wished, or seconds since 1970)";

std::string fault_of(const std::string& row) {
  auto all = lines_of(header + row + "\n2013-12-02 21:15:00,7\n");
  REQUIRE(all.size() == 2);
  CHECK(all[1] == "0 7"); // the reader goes on after a fault
  return all[0];
}

result<std::vector<time_window>> windows_of(const std::string& json,
                                            const std::string& series = "m.csv") {
  std::istringstream input{json};
  return read_windows(input, "w.json", series);
}

const std::filesystem::path data{test::source_dir() + "/../shared/data/nab"};

} // namespace

TEST_CASE("parse_time reads every form of the same moment", "[unit][examples]") {
  for (const char* text :
       {"2013-12-02 21:15:00", "2013-12-02 21:15", "2013-12-02T21:15:00Z", "2013-12-02t21:15:00z",
        "2013-12-02 21:15:00.000000", "2013-12-02T22:15:00+01:00", "2013-12-02T15:45:00-0530",
        "1386018900", "1386018900.0", "1386018900000", "1386018900000000", "1386018900000000000"}) {
    INFO(text);
    CHECK(parse_time(text) == at_us);
  }
  CHECK(parse_time("2013-12-02 21:15:00.25") == at_us + 250'000);
  CHECK(parse_time("2013-12-02 21:15:00.1234567") == at_us + 123'456);
  CHECK(parse_time("1386018900.000001") == at_us + 1);
  CHECK(parse_time("1386018900123.5") == at_us + 123'500);
  CHECK(parse_time("0") == 0);
  CHECK(parse_time("-1.5") == -1'500'000);
  CHECK(parse_time("1969-12-31 23:59:59.5") == -500'000);
  CHECK(parse_time("2016-02-29 00:00") == 1'456'704'000'000'000);
}

TEST_CASE("parse_time refuses what is no time, with the column", "[unit][examples]") {
  const std::vector<std::tuple<std::string, std::string>> wrong{
      {"", "1: a time expected"},
      {"noon", "1: a time expected"},
      {"2013-13-02 21:15:00", "6: the month is 13, it must be 1 to 12"},
      {"2013-02-29 21:15:00", "9: this month has no day 29"},
      {"2013-12-00 21:15:00", "9: the day is 0, it must be 1 to 31"},
      {"2013-12-02 24:15:00", "12: the hour is 24, it must be 0 to 23"},
      {"2013-12-02 21:60:00", "15: the minute is 60, it must be 0 to 59"},
      {"2013-12-02 21:15:61", "18: the second is 61, it must be 0 to 59"},
      {"2013-12-02", "11: 'T' or a blank expected"},
      {"2013-12-2 21:15:00", "10: 2 digits of the day expected"},
      {"2013-12-02 21:15:00.", "21: digits expected after the point"},
      {"2013-12-02 21:15:00Zz", "21: unexpected 'z' after the time"},
      {"2013-12-02 21:15:00+25:00", "21: the zone's hour is 25, it must be 0 to 23"},
      {"12.5.2013", "5: unexpected '.2013' after the time"},
      {"99999999999999999999", "1: a time out of range"},
      {"--5", "2: a time expected"},
      {"5-", "2: unexpected '-' after the time"},
  };
  for (const auto& [text, message] : wrong) {
    INFO(text);
    auto time_us = parse_time(text);
    REQUIRE_FALSE(time_us);
    CHECK(time_us.error() == error{errc::bad_value, message});
  }
}

TEST_CASE("replay reads samples past blank lines, blanks, CR LF and a byte order mark",
          "[unit][examples]") {
  CHECK(lines_of("\xef\xbb\xbftimestamp,value\r\n2013-12-02 21:15:00,73.5\r\n") == lines{"0 73.5"});
  CHECK(lines_of("\n \t\n timestamp , value \n\n 2013-12-02 21:15:00 ,\t-2e1 \n\r\n"
                 "1386018901,0.5")
        == lines{"0 -20", "1000000 0.5"});
  CHECK(lines_of(header).empty());
  CHECK(lines_of("timestamp,value").empty());
}

TEST_CASE("replay keeps the order of the file and counts its lines", "[unit][examples]") {
  std::istringstream input{header + "\n1386018901,1\n1386018900,2\n"};
  auto aut = replay::open(input, "m.csv");
  REQUIRE(aut);
  CHECK(aut->line() == 1);
  CHECK(aut->next().value() == sample{at_us + 1'000'000, 1});
  CHECK(aut->line() == 3);
  CHECK(aut->next().value() == sample{at_us, 2});
  CHECK(aut->next().value() == std::optional<sample>{});
  CHECK(aut->next().value() == std::optional<sample>{});
}

TEST_CASE("replay names file, line and column of a fault and goes on", "[unit][examples]") {
  CHECK(fault_of("2013-12-02 21:15:00,hot") == "bad_value: m.csv:2:21: 'hot' is no number");
  CHECK(fault_of("2013-12-02 21:15:00,") == "bad_value: m.csv:2:21: the value is empty");
  CHECK(fault_of("2013-12-02 21:15:00, 7x")
        == "bad_value: m.csv:2:23: unexpected 'x' after the number");
  for (std::string wrong : {"nan", "inf", "-inf", "1e999"})
    CHECK(fault_of("5," + wrong) == "bad_value: m.csv:2:3: '" + wrong + "' is no finite number");
  CHECK(fault_of("2013-12-02 21:15:00")
        == "missing_field: m.csv:2:20: the value is missing (a row is 'timestamp,value')");
  CHECK(fault_of("1,2,3")
        == "bad_value: m.csv:2:4: more than two columns (a row is 'timestamp,value')");
  CHECK(fault_of("  2013-12-40 21:15:00,1")
        == "bad_value: m.csv:2:11: the day is 40, it must be 1 to 31" + time_hint);
  CHECK(fault_of("5,\x1b[31mred") == "bad_value: m.csv:2:3: '?[31mred' is no number");
  CHECK(fault_of("5," + std::string(60, 'z'))
        == "bad_value: m.csv:2:3: '" + std::string(40, 'z') + "...' is no number");
}

TEST_CASE("replay skips a line that is too long without keeping it", "[unit][examples]") {
  CHECK(fault_of(std::string(1'000'000, 'x'))
        == "limit_reached: m.csv:2:1025: the line has 1000000 bytes (at most 1024 are allowed)");
  auto longest = "5," + std::string(line_bytes_max - 3, '0') + "8";
  CHECK(lines_of(header + longest) == lines{std::to_string(5'000'000 - at_us) + " 8"});
}

TEST_CASE("replay refuses a file without its header", "[unit][examples]") {
  const std::string hint = " (the first line must be 'timestamp,value')";
  CHECK(lines_of("") == lines{"missing_field: m.csv:1:1: the file is empty" + hint});
  CHECK(lines_of("2013-12-02 21:15:00,7\n")
        == lines{"missing_field: m.csv:1:1: no column 'timestamp'" + hint});
  CHECK(lines_of("timestamp\n") == lines{"missing_field: m.csv:1:10: no column 'value'" + hint});
  CHECK(lines_of("timestamp,value,label\n")
        == lines{"missing_field: m.csv:1:11: the second column is not 'value'" + hint});
}

TEST_CASE("replay reports a stream that breaks", "[unit][examples]") {
  std::istringstream input{header + "5,6\n"};
  auto aut = replay::open(input, "m.csv");
  REQUIRE(aut);
  input.setstate(std::ios::badbit);
  auto row = aut->next();
  REQUIRE_FALSE(row);
  CHECK(row.error().code == errc::io_failed);
}

TEST_CASE("read_windows finds a series by its key or its file name", "[unit][examples]") {
  const std::string json = R"({"a/m.csv": [["1970-01-01 00:00:01.000000", "1970-01-01 00:00:02"]],
                              "x.csv": [], "m~/n": [["0", "0"]]})";
  std::vector<time_window> expected{{1'000'000, 2'000'000}};
  CHECK(windows_of(json) == expected);
  CHECK(windows_of(json, "a/m.csv") == expected);
  CHECK(windows_of(json, "x.csv")->empty());
  CHECK(expected[0].contains(1'000'000));
  CHECK(expected[0].contains(2'000'000));
  CHECK_FALSE(expected[0].contains(2'000'001));
  CHECK_FALSE(expected[0].contains(999'999));
}

TEST_CASE("read_windows refuses what is no list of windows, with its place", "[unit][examples]") {
  const std::string hint = " (a window is [\"<first time>\", \"<last time>\"])";
  auto text = [](const std::string& json) { return to_string(windows_of(json).error()); };
  CHECK(text("[]") == "bad_value: w.json: no JSON object");
  CHECK(text("{}") == "missing_field: w.json: no windows of 'm.csv'");
  CHECK(text(R"({"m.csv": 5})") == "bad_value: w.json: /m.csv: no list of windows" + hint);
  CHECK(text(R"({"a/m.csv": [["0", "1"], ["0"]]})")
        == "bad_value: w.json: /a~1m.csv/1: no list of two times" + hint);
  CHECK(text(R"({"m.csv": [["0", 1]]})") == "bad_value: w.json: /m.csv/0/1: no text" + hint);
  CHECK(text(R"({"m.csv": [["soon", "1"]]})")
        == "bad_value: w.json: /m.csv/0/0: a time expected" + hint);
  CHECK(text(R"({"m.csv": [["2", "1"]]})")
        == "bad_value: w.json: /m.csv/0: the last time is before the first" + hint);
  auto broken = windows_of("{\n  \"m.csv\" 5}");
  REQUIRE_FALSE(broken);
  CHECK(broken.error().code == errc::bad_syntax);
  CHECK(broken.error().context.find("w.json: line 2") == 0);
  CHECK(windows_of(std::string(windows_bytes_max + 1, ' ')).error().code == errc::limit_reached);
}

TEST_CASE("replay reads the real machine temperature and its windows where they are at hand",
          "[unit][examples]") {
  const std::string file = "machine_temperature_system_failure.csv";
  std::ifstream csv{data / file};
  std::ifstream json{data / "windows.json"};
  if (!csv || !json) {
    WARN("../shared/data/nab is not there: nothing was tested");
    return;
  }
  auto windows = read_windows(json, "windows.json", file);
  REQUIRE(windows);
  CHECK(windows->size() == 4);
  auto aut = replay::open(csv, file);
  REQUIRE(aut);
  std::vector<sample> samples;
  std::vector<int> inside(4);
  for (;;) {
    auto row = aut->next();
    REQUIRE(row);
    if (!*row)
      break;
    samples.push_back(**row);
    for (std::size_t i = 0; i < 4; ++i)
      inside[i] += (*windows)[i].contains((*row)->time_us) ? 1 : 0;
  }
  CHECK(samples.size() == 22'695);
  CHECK(samples.front() == sample{at_us, 73.96732207});
  for (int count : inside)
    CHECK(count > 500); // two days of five minutes each
}
