#include "messages/frame.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/read_frame.hpp"

#include <span>

/// Whatever bytes come: `frame::check` refuses them by name, or all that the frame says may be read
/// and the checked bytes are accepted again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gemel;
  auto checked = frame::check(std::as_bytes(std::span{data, size}));
  if (!checked) {
    fuzz::expect_named(checked.error());
    return 0;
  }
  test::read_everything(*checked);
  fuzz::expect(frame::check(checked->bytes()).has_value(), "checked bytes are refused");
  return 0;
}
