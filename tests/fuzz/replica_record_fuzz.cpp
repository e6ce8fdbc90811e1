#include "actors/sync/replica_record.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

void read_entry(const std::string& bytes) {
  using namespace gemel;
  auto one = unpack_entry(bytes);
  if (!one)
    return fuzz::expect_named(one.error());
  byte_writer out;
  pack_entry(out, one->shard, one->changed, one->entry);
  auto again = unpack_entry(out.view());
  fuzz::expect(again && again->entry == one->entry && again->changed == one->changed,
               "a property is written back differently");
}

} // namespace

/// A record of replicas, or one property of a store, of any bytes: what is accepted is written back
/// to the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gemel;
  if (size < 4)
    return 0;
  auto bytes = fuzz::with_checksum(data, size);
  read_entry(std::string{bytes});
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
