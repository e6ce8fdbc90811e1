#include "messages/frame.hpp"
#include "tests/support/read_frame.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

/// Whatever bytes come: `frame::check` refuses them by name, or all that the frame says may be read
/// and the checked bytes are accepted again. libFuzzer and the sanitizers look for the rest.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto checked = gemel::frame::check(std::as_bytes(std::span{data, size}));
  if (!checked) {
    if (checked.error().code == gemel::errc::none || checked.error().context.empty())
      std::abort();
    return 0;
  }
  gemel::test::read_everything(*checked);
  if (!gemel::frame::check(checked->bytes()))
    std::abort();
  return 0;
}
