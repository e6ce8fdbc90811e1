#include "actors/sync/replica_record.hpp"
#include "tests/fuzz/fuzz.hpp"

/// A record of replicas of any bytes: what is accepted is written back to the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gemel;
  if (size < 4)
    return 0;
  auto bytes = fuzz::with_checksum(data, size);
  auto record = unpack_record(bytes);
  if (!record) {
    fuzz::expect_named(record.error());
    return 0;
  }
  auto again = unpack_record(pack_record(*record));
  fuzz::expect(again && again->entries == record->entries && again->clock == record->clock,
               "a record is written back differently");
  return 0;
}
