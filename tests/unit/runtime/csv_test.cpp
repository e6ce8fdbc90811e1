#include "runtime/csv.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <random>

using namespace gemel;

namespace {

using rows = std::vector<std::vector<std::string>>;

struct read_csv {
  rows good;
  std::vector<csv_record> bad;
  std::vector<csv_record> all;

  // In pieces of at most `piece` bytes.
  explicit read_csv(std::string_view text, std::size_t piece = 1'000,
                    std::size_t bytes_max = 1'000) {
    csv_reader reader{bytes_max, [this](const csv_record& found) {
                        all.push_back(found);
                        if (found.fault != errc::none) {
                          bad.push_back(found);
                          return;
                        }
                        auto& row = good.emplace_back();
                        for (const auto& field : found.fields)
                          row.push_back(field.text);
                      }};
    for (; !text.empty(); text.remove_prefix(std::min(piece, text.size())))
      reader.push(text.substr(0, piece));
    reader.finish();
  }
};

} // namespace

TEST_CASE("a CSV record holds quotes, commas and line feeds as RFC 4180 says", "[unit][runtime]") {
  CHECK(read_csv{"a,b\r\nc,d\n"}.good == rows{{"a", "b"}, {"c", "d"}});
  CHECK(read_csv{"a,\"b \"\"x\"\"\r\n, y\"\r\nc,d"}.good
        == rows{{"a", "b \"x\"\r\n, y"}, {"c", "d"}});
  CHECK(read_csv{"a,\n,\n\"\"\n"}.good == rows{{"a", ""}, {"", ""}, {""}});
  CHECK(read_csv{"a,"}.good == rows{{"a", ""}});
  CHECK(read_csv{"a\r"}.good == rows{{"a"}});
  CHECK(read_csv{"\"a\"\r"}.good == rows{{"a"}});
}

TEST_CASE("a CSV text may be empty, blank, or begin with a byte order mark", "[unit][runtime]") {
  CHECK(read_csv{""}.all.empty());
  CHECK(read_csv{"\n\r\n\n"}.all.empty());
  CHECK(read_csv{"\xef\xbb\xbf"}.all.empty());
  read_csv marked{"\xef\xbb\xbfid,x\n"};
  REQUIRE(marked.good == rows{{"id", "x"}});
  CHECK(marked.all[0].fields[1].where == text_place{1, 4});
}

TEST_CASE("a CSV record knows where it and its fields stand", "[unit][runtime]") {
  read_csv read{"a,b\n\n\"x\ny\",\xc3\xa4\xc3\xa4,z\nlast"};
  REQUIRE(read.all.size() == 3);
  CHECK(read.all[1].line == 3);
  CHECK(read.all[1].offset == 5);
  CHECK(read.all[1].end == 18);
  CHECK(read.all[1].fields[1].where == text_place{4, 4});
  CHECK(read.all[1].fields[2].where == text_place{4, 7});
  CHECK(read.all[2].line == 5);
  CHECK(read.all[2].end == 22);
}

TEST_CASE("a malformed CSV record is told with its place, and the next one read",
          "[unit][runtime]") {
  read_csv read{"a,b\"c,d\n\"e\"f,g\nh,i\n"};
  REQUIRE(read.bad.size() == 2);
  CHECK(read.bad[0].fault_place == text_place{1, 4});
  CHECK(read.bad[1].fault_place == text_place{2, 4});
  CHECK(read.good == rows{{"h", "i"}});
  read_csv open{"a\n\"b"};
  REQUIRE(open.bad.size() == 1);
  CHECK(open.bad[0].fault_place == text_place{2, 1});
  read_csv large{std::string(30, 'x') + "\ny\n", 7, 20};
  REQUIRE(large.bad.size() == 1);
  CHECK(large.bad[0].fault == errc::limit_reached);
  CHECK(large.good == rows{{"y"}});
}

TEST_CASE("random CSV records survive the round trip in pieces of any size",
          "[unit][runtime][random]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  constexpr std::string_view letters = "ab,\"\r\n \t\xc3\xa4";
  for (int round = 0; round < 300; ++round) {
    rows wanted;
    std::string text;
    for (auto count = random() % 6; count > 0; --count) {
      auto& row = wanted.emplace_back();
      for (auto fields = 2 + random() % 3; fields > 0; --fields) {
        auto& field = row.emplace_back();
        for (auto size = random() % 8; size > 0; --size)
          field += letters[random() % 8];
        text += row.size() > 1 ? "," : "";
        append_csv_field(text, field);
      }
      text += random() % 2 == 0 ? "\n" : "\r\n";
    }
    CHECK(read_csv{text, 1 + random() % 9}.good == wanted);
  }
}

TEST_CASE("mutated CSV is read to its end the same in pieces of any size",
          "[unit][runtime][random]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  const std::string right = "id,type,\"a \"\"b\"\"\"\r\nm1,t,\"x\ny\"\r\n\nm2,t,\xc3\xa4\n";
  for (int round = 0; round < 1'000; ++round) {
    auto text = right;
    for (auto count = 1 + random() % 4; count > 0; --count)
      text[random() % text.size()] = "\",\n\rx\xff\xef"[random() % 7];
    read_csv whole{text};
    read_csv pieces{text, 1 + random() % 5};
    CHECK(whole.good == pieces.good);
    REQUIRE(whole.all.size() == pieces.all.size());
    std::uint64_t end = 0;
    for (std::size_t i = 0; i < whole.all.size(); ++i) {
      CHECK(whole.all[i].offset >= end);
      end = whole.all[i].end;
      CHECK(end == pieces.all[i].end);
      CHECK(whole.all[i].fault_place == pieces.all[i].fault_place);
    }
    CHECK(end <= text.size());
  }
}
