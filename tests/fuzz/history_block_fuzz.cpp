#include "actors/series_block.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <vector>

/// A block of history, of any bytes: what is accepted is written back to the same points.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gemel;
  if (size < 4)
    return 0;
  auto bytes = fuzz::with_checksum(data, size);
  series_points points;
  if (auto read = unpack_series(bytes, points); !read) {
    fuzz::expect_named(read.error());
    return 0;
  }
  std::vector<series_point> all;
  for (std::size_t i = 0; i < points.size(); ++i)
    all.push_back(points.point(i));
  series_points again;
  fuzz::expect(unpack_series(pack_series(all), again).has_value(), "its own block is refused");
  fuzz::expect(again.size() == all.size(), "points are lost or made up");
  for (std::size_t i = 0; i < all.size(); ++i)
    fuzz::expect(again.point(i) == all[i], "a point is written back differently");
  return 0;
}
