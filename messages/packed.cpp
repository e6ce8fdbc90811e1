#include "messages/packed.hpp"

#include "messages/limits.hpp"
#include "messages/names.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <bit>
#include <cmath>

namespace gemel {

namespace {

// What a value begins with. Part of the format: add at the end, below `tag_small`.
enum : std::uint8_t {
  tag_null = 0,
  tag_false = 1,
  tag_true = 2,
  tag_integer = 3,
  tag_real = 4,
  tag_text = 5,
  tag_bytes = 6,
  tag_list = 7,
  tag_map = 8,
  // Plus the decimal places, up to `decimal_places_max`.
  tag_decimal = 16,
  // Plus the integer, 0 to 127.
  tag_small = 128,
};

constexpr std::int64_t digits_end = std::int64_t{1} << 53;
// A decimal that takes as much as the double itself wins nothing.
constexpr std::uint64_t decimal_end = std::uint64_t{1} << 49;

constexpr double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

void pack_real(byte_writer& out, double number) {
  decimal found;
  if (find_decimal(number, found) && zigzag(found.digits) < decimal_end) {
    out.u8(static_cast<std::uint8_t>(tag_decimal + found.places));
    out.signed_varint(found.digits);
    return;
  }
  out.u8(tag_real);
  out.fixed(number);
}

void pack_integer(byte_writer& out, std::int64_t number) {
  if (number >= 0 && number < 128) {
    out.u8(static_cast<std::uint8_t>(tag_small + number));
    return;
  }
  out.u8(tag_integer);
  out.signed_varint(number);
}

value unpack(byte_reader& in, std::size_t depth);

value unpack_text(byte_reader& in) {
  auto text = in.text(limits::text_bytes_max, "a text is too long");
  if (!is_utf8(text))
    in.fail("a text is not UTF-8");
  return in.ok() ? value{text} : value{};
}

value unpack_bytes(byte_reader& in) {
  auto bytes = in.text(limits::text_bytes_max, "bytes are too long");
  return in.ok() ? value::of_bytes(std::as_bytes(std::span{bytes.data(), bytes.size()})) : value{};
}

// How many elements follow; each takes a byte at least, so that a false count cannot ask for
// memory that the record's own size does not justify.
std::size_t unpack_count(byte_reader& in, std::size_t depth) {
  if (depth == 0)
    in.fail("lists and maps are nested too deeply");
  auto count = in.bounded(limits::value_elements_max, "a list or map is too long");
  if (count > in.left())
    in.fail("a list or map is longer than the record");
  return in.ok() ? count : 0;
}

value unpack_list(byte_reader& in, std::size_t depth) {
  value_list elements(unpack_count(in, depth));
  for (auto& one : elements)
    if (in.ok())
      one = unpack(in, depth - 1);
  return in.ok() ? value{std::move(elements)} : value{};
}

value unpack_map(byte_reader& in, std::size_t depth) {
  value_map members(unpack_count(in, depth));
  for (std::size_t i = 0; i < members.size() && in.ok(); ++i) {
    auto key = in.text(limits::key_bytes_max, "a map's key is too long");
    if (!is_utf8(key))
      in.fail("a map's key is not UTF-8");
    members[i].key = key;
    if (i > 0 && members[i - 1].key >= members[i].key)
      in.fail("the keys of a map are not ascending");
    members[i].content = unpack(in, depth - 1);
  }
  return in.ok() ? value{std::move(members)} : value{};
}

value unpack_scalar(byte_reader& in, std::uint8_t tag) {
  if (tag >= tag_small)
    return std::int64_t{tag} - tag_small;
  if (tag >= tag_decimal && tag <= tag_decimal + decimal_places_max)
    return from_decimal(in.signed_varint(), static_cast<unsigned>(tag - tag_decimal));
  switch (tag) {
  case tag_null:
    return {};
  case tag_false:
    return false;
  case tag_true:
    return true;
  case tag_integer:
    return in.signed_varint();
  case tag_real:
    return in.fixed<double>();
  default:
    in.fail("a value of unknown kind");
    return {};
  }
}

value unpack(byte_reader& in, std::size_t depth) {
  auto tag = in.u8();
  switch (tag) {
  case tag_text:
    return unpack_text(in);
  case tag_bytes:
    return unpack_bytes(in);
  case tag_list:
    return unpack_list(in, depth);
  case tag_map:
    return unpack_map(in, depth);
  default:
    return unpack_scalar(in, tag);
  }
}

} // namespace

std::uint64_t byte_reader::long_varint() noexcept {
  std::uint64_t number = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    auto byte = u8();
    if (shift == 63 && byte > 1)
      break;
    number |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80)
      return ok() ? number : 0;
  }
  fail("a number is longer than 64 bits");
  return 0;
}

error byte_reader::why(std::string_view part) const {
  return {errc::store_corrupt, std::string{part} + ", byte " + std::to_string(wrong_at_) + ": "
                                   + (wrong_ != nullptr ? wrong_ : "nothing is wrong")};
}

double from_decimal(std::int64_t digits, unsigned places) noexcept {
  return static_cast<double>(digits) / powers_of_ten[places];
}

bool find_decimal(double number, decimal& found) noexcept {
  if (!(std::abs(number) < static_cast<double>(digits_end)))
    return false;
  for (std::uint8_t places = 0; places <= decimal_places_max; ++places) {
    auto scaled = number * powers_of_ten[places];
    if (!(std::abs(scaled) < static_cast<double>(digits_end)))
      return false;
    auto digits = static_cast<std::int64_t>(scaled + (scaled < 0 ? -0.5 : 0.5));
    if (std::bit_cast<std::uint64_t>(from_decimal(digits, places))
        == std::bit_cast<std::uint64_t>(number)) {
      found = {digits, places};
      return true;
    }
  }
  return false;
}

void pack_value(byte_writer& out, const value& content) {
  switch (content.kind()) {
  case value_kind::null:
    return out.u8(tag_null);
  case value_kind::boolean:
    return out.u8(content.as_bool() ? tag_true : tag_false);
  case value_kind::integer:
    return pack_integer(out, content.as_integer());
  case value_kind::real:
    return pack_real(out, content.as_real());
  case value_kind::text:
    out.u8(tag_text);
    return out.text(content.as_text());
  case value_kind::bytes: {
    out.u8(tag_bytes);
    auto bytes = content.as_bytes();
    return out.text({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  case value_kind::list:
    out.u8(tag_list);
    out.varint(content.as_list().size());
    for (const auto& one : content.as_list())
      pack_value(out, one);
    return;
  case value_kind::map:
    out.u8(tag_map);
    out.varint(content.as_map().size());
    for (const auto& [key, member] : content.as_map()) {
      out.text(key);
      pack_value(out, member);
    }
    return;
  }
}

value unpack_value(byte_reader& in) {
  auto made = unpack(in, limits::value_depth_max);
  return in.ok() ? made : value{};
}

std::uint64_t hash_of(std::string_view bytes) noexcept {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::uint32_t checksum_of(std::string_view bytes) noexcept {
  return static_cast<std::uint32_t>(XXH3_64bits(bytes.data(), bytes.size()));
}

} // namespace gemel
