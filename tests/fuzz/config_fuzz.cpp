#include "runtime/config.hpp"
#include "tests/fuzz/fuzz.hpp"

/// A config of any text is refused with all its faults, or written back to the same; so is an
/// option of the command line, which stands behind a zero byte.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gemel;
  auto text = fuzz::text_of(data, size);
  std::vector<std::string> overrides;
  if (auto end = text.find('\0'); end != std::string_view::npos) {
    overrides.emplace_back(text.substr(end + 1));
    text = text.substr(0, end);
  }
  auto config = parse_config(text, "fuzz.toml", overrides);
  if (!config) {
    fuzz::expect_named(config.error());
    return 0;
  }
  auto again = parse_config(write_config(*config), "again.toml");
  fuzz::expect(again && *again == *config, "a config is written back differently");
  return 0;
}
