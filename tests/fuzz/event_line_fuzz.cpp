#include "messages/duration.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "workflows/rule_event_document.hpp"

/// A line of recorded events, a time and a duration, of any text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gemel;
  auto text = fuzz::text_of(data, size);
  if (auto read = read_recorded_event(text, 1, "fuzz.jsonl"); !read)
    fuzz::expect_named(read.error());
  if (auto time = parse_time(text); !time)
    fuzz::expect_named(time.error());
  if (auto length = parse_duration(text); !length)
    fuzz::expect_named(length.error());
  else
    fuzz::expect(parse_duration(format_duration(*length)) == *length, "a duration differs");
  return 0;
}
