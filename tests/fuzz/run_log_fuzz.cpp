#include "runtime/bulk_progress.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "workflows/run_record_value.hpp"

/// What is kept of runs of workflows and of bulk runs, of any bytes: it is refused by name, or
/// written back to the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gemel;
  auto text = fuzz::text_of(data, size);
  if (auto far = bulk_progress_from_text(text))
    fuzz::expect(bulk_progress_from_text(to_text(*far)) == *far, "progress differs");
  else
    fuzz::expect_named(far.error());
  // The fuzzer does not guess checksums: values come as JSON, or as they are packed.
  auto made = value_from_json(text);
  if (!made) {
    made = unpack_checked(text);
    if (!made) {
      fuzz::expect_named(made.error());
      return 0;
    }
  }
  auto packed = unpack_checked(pack_checked(*made));
  fuzz::expect(packed && *packed == *made, "a fact is written back differently");
  auto record = run_record_of(*made);
  if (!record) {
    fuzz::expect_named(record.error());
    return 0;
  }
  auto again = run_record_of(to_value(*record));
  fuzz::expect(again && to_value(*again) == to_value(*record), "a record differs");
  return 0;
}
