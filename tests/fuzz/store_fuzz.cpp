#include "actors/log_record.hpp"
#include "actors/twin_state.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

// An error must have a name and a place.
void expect_named(const gemel::error& why) {
  if (why.code == gemel::errc::none || why.context.empty())
    std::abort();
}

void read_record(std::string_view bytes) {
  auto reader = gemel::log_record_reader::open(bytes);
  if (!reader)
    return expect_named(reader.error());
  gemel::stored_event event;
  for (;;) {
    auto more = reader->next(event);
    if (!more)
      return expect_named(more.error());
    if (!*more)
      return;
  }
}

// What is accepted is written back to the same twin.
void read_twin(std::string_view bytes) {
  auto twin = gemel::unpack_twin(bytes);
  if (!twin)
    return expect_named(twin.error());
  auto again = gemel::unpack_twin(gemel::pack_twin(*twin));
  if (!again || *again != *twin)
    std::abort();
}

} // namespace

/// Whatever bytes the store holds: readers of log records and twins end with a named error or with
/// what was stored. The checksum is made right, so that the fuzzer gets behind it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 6)
    return 0;
  std::string bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
  auto checksum = gemel::checksum_of(std::string_view{bytes}.substr(0, bytes.size() - 4));
  std::memcpy(bytes.data() + bytes.size() - 4, &checksum, 4);
  if (data[0] % 2 == 0)
    read_record(bytes);
  else
    read_twin(bytes);
  return 0;
}
