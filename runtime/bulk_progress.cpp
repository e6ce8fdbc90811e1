#include "runtime/bulk_progress.hpp"

#include "messages/value.hpp"

#include <array>
#include <charconv>

namespace gemel {

namespace {

constexpr std::int64_t form = 1;

// Fingerprints have 64 bits without a sign; integers of values have one.
std::string hexadecimal(std::uint64_t number) {
  std::array<char, 16> digits{};
  auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
  return {digits.data(), end};
}

bool read_number(const value& from, std::string_view key, std::uint64_t& made) {
  const auto* found = from.find(key);
  if (found == nullptr || !found->is_integer() || found->as_integer() < 0)
    return false;
  made = static_cast<std::uint64_t>(found->as_integer());
  return true;
}

std::string_view text_in(const value& from, std::string_view key) {
  const auto* found = from.find(key);
  return found != nullptr && found->is_text() ? found->as_text() : std::string_view{};
}

bool read_action(std::string_view text, bulk_action& made) {
  for (auto one :
       {bulk_action::create, bulk_action::update, bulk_action::remove, bulk_action::emit})
    if (to_string(one) == text) {
      made = one;
      return true;
    }
  return false;
}

} // namespace

std::uint64_t fingerprint_of(std::string_view bytes) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (auto byte : bytes)
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3U;
  return hash;
}

std::string to_text(const bulk_progress& progress) {
  return to_json(value{value_map{{"gemel_bulk_progress", form},
                                 {"action", to_string(progress.action)},
                                 {"size", progress.size},
                                 {"fingerprint", hexadecimal(progress.fingerprint)},
                                 {"offset", progress.offset},
                                 {"items", progress.items}}})
         + "\n";
}

result<bulk_progress> bulk_progress_from_text(std::string_view text) {
  bulk_progress made;
  auto content = value_from_json(text);
  const auto* version = content ? content->find("gemel_bulk_progress") : nullptr;
  bool is_right = version != nullptr && *version == value{form}
                  && read_action(text_in(*content, "action"), made.action)
                  && read_number(*content, "size", made.size)
                  && read_number(*content, "offset", made.offset)
                  && read_number(*content, "items", made.items);
  auto digits = is_right ? text_in(*content, "fingerprint") : std::string_view{};
  const auto* end = digits.data() + digits.size();
  if (digits.empty() || std::from_chars(digits.data(), end, made.fingerprint, 16).ptr != end)
    return fail(errc::bad_syntax, "this is no record of a bulk run's progress");
  return made;
}

} // namespace gemel
