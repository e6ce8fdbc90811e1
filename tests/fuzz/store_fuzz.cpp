#include "actors/log_record.hpp"
#include "actors/series_block.hpp"
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

// What is accepted is written back to the same points.
void read_series(std::string_view bytes) {
  gemel::series_points points;
  if (auto read = gemel::unpack_series(bytes, points); !read)
    return expect_named(read.error());
  std::vector<gemel::series_point> all;
  for (std::size_t i = 0; i < points.size(); ++i)
    all.push_back(points.point(i));
  gemel::series_points again;
  if (!gemel::unpack_series(gemel::pack_series(all), again) || again.size() != all.size())
    std::abort();
  for (std::size_t i = 0; i < all.size(); ++i)
    if (again.point(i) != all[i])
      std::abort();
}

} // namespace

/// Whatever bytes the store holds: readers of log records, twins and series end with a named error
/// or with what was stored. The checksum is made right, so that the fuzzer gets behind it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 6)
    return 0;
  std::string bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
  auto checksum = gemel::checksum_of(std::string_view{bytes}.substr(0, bytes.size() - 4));
  std::memcpy(bytes.data() + bytes.size() - 4, &checksum, 4);
  switch (data[0] % 3) {
  case 0:
    read_record(bytes);
    break;
  case 1:
    read_twin(bytes);
    break;
  default:
    read_series(bytes);
  }
  return 0;
}
