#include "runtime/store/write_ahead_scan.hpp"
#include "tests/fuzz/fuzz.hpp"

/// A log file of the database, of any bytes: the scan stays inside and agrees with itself.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gemel;
  auto state = store::scan_write_ahead(fuzz::text_of(data, size));
  fuzz::expect(state.cut_at <= size, "a place beyond the end");
  fuzz::expect(state.is_cut || state.records_after == 0, "records behind a cut that is none");
  return 0;
}
