#include "actors/log_record.hpp"
#include "tests/fuzz/fuzz.hpp"

/// A record of the log, of any bytes, ends with all its events or a named error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gemel;
  if (size < 4)
    return 0;
  auto bytes = fuzz::with_checksum(data, size);
  auto reader = log_record_reader::open(bytes);
  if (!reader) {
    fuzz::expect_named(reader.error());
    return 0;
  }
  stored_event event;
  for (std::size_t seen = 0;; ++seen) {
    auto more = reader->next(event);
    if (!more) {
      fuzz::expect_named(more.error());
      return 0;
    }
    if (!*more) {
      fuzz::expect(seen == reader->events(), "another number of events than the record says");
      return 0;
    }
  }
}
