#include "actors/twin_state.hpp"
#include "runtime/store/store_keys.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace gemel;

// What is accepted is written back to the same.
void read_twin(std::string_view bytes) {
  auto twin = unpack_twin(bytes);
  if (!twin)
    return fuzz::expect_named(twin.error());
  auto again = unpack_twin(pack_twin(*twin));
  fuzz::expect(again && *again == *twin, "a twin is written back differently");
}

template <class Made, class Pack, class Unpack>
void read_fact(std::string_view bytes, Pack pack, Unpack unpack) {
  result<Made> made = unpack(bytes);
  if (!made)
    return fuzz::expect_named(made.error());
  result<Made> again = unpack(pack(*made));
  fuzz::expect(again && *again == *made, "a fact of the store is written back differently");
}

} // namespace

/// What snapshots are made of, of any bytes: twins, and what the store notes about snapshots,
/// itself and its positions.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 5)
    return 0;
  auto rest = fuzz::text_of(data + 1, size - 1);
  switch (data[0] % 8) {
  case 0:
    read_fact<store::snapshot_record>(rest, store::pack_snapshot, store::unpack_snapshot);
    break;
  case 1:
    read_fact<store::identity>(rest, store::pack_identity, store::unpack_identity);
    break;
  case 2:
    read_fact<log_position>(rest, store::pack_position, store::unpack_position);
    break;
  case 3:
    static_cast<void>(store::parse_log_key(rest));
    static_cast<void>(store::parse_snapshot_key(rest));
    break;
  default:
    read_twin(fuzz::with_checksum(data + 1, size - 1));
  }
  return 0;
}
