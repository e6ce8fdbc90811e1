#include "messages/json_scan.hpp"
#include "messages/value.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace gemel;

// Members are found where they are, whatever the text.
void scan(std::string_view text) {
  json_scanner scanner{text};
  while (!scanner.done()) {
    auto before = scanner.offset();
    static_cast<void>(scanner.value_text());
    fuzz::expect(scanner.offset() <= text.size(), "a place beyond the end");
    if (scanner.offset() == before)
      break;
  }
}

} // namespace

/// JSON of any text is refused with its place, or written back to the same value.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto text = fuzz::text_of(data, size);
  scan(text);
  auto made = value_from_json(text);
  if (!made) {
    fuzz::expect_named(made.error());
    return 0;
  }
  for (const auto& one : json_members(text, 0))
    fuzz::expect(one.value_offset < text.size(), "a member beyond the end");
  auto again = value_from_json(to_json(*made));
  fuzz::expect(again && *again == *made, "a value is written back differently");
  byte_writer packed;
  pack_value(packed, *made);
  byte_reader in{packed.view()};
  fuzz::expect(unpack_value(in) == *made && in.ok() && in.at_end(), "packed differently");
  return 0;
}
