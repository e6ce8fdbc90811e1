#include "messages/limits.hpp"
#include "messages/names.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <string>

using namespace gemel;

namespace {

// Decodes code points and judges those, unlike the table that `is_utf8` follows.
bool decodes(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
    std::size_t length = byte(i) < 0x80   ? 1
                         : byte(i) < 0xc0 ? 0
                         : byte(i) < 0xe0 ? 2
                         : byte(i) < 0xf0 ? 3
                         : byte(i) < 0xf8 ? 4
                                          : 0;
    if (length == 0 || i + length > text.size())
      return false;
    std::uint32_t code = length == 1 ? byte(i) : byte(i) & (0x7fU >> length);
    for (std::size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xc0) != 0x80)
        return false;
      code = code << 6 | (byte(i + k) & 0x3f);
    }
    const std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
      return false;
    i += length;
  }
  return true;
}

std::string bytes(std::initializer_list<int> list) {
  std::string made;
  for (auto b : list)
    made += static_cast<char>(b);
  return made;
}

} // namespace

TEST_CASE("is_utf8 agrees with a decoder on all texts of one to three bytes", "[unit][messages]") {
  std::size_t wrong = 0;
  for (int a = 0; a < 256; ++a) {
    wrong += is_utf8(bytes({a})) != decodes(bytes({a}));
    for (int b = 0; b < 256; ++b) {
      wrong += is_utf8(bytes({a, b})) != decodes(bytes({a, b}));
      for (int c = 0; a >= 0xc0 && c < 256; ++c)
        wrong += is_utf8(bytes({a, b, c})) != decodes(bytes({a, b, c}));
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("is_utf8 knows the edges of the four-byte forms", "[unit][messages]") {
  CHECK(is_utf8("\xf0\x90\x80\x80"));
  CHECK(is_utf8("\xf4\x8f\xbf\xbf"));
  CHECK_FALSE(is_utf8("\xf0\x8f\xbf\xbf"));
  CHECK_FALSE(is_utf8("\xf4\x90\x80\x80"));
  CHECK_FALSE(is_utf8("\xf5\x80\x80\x80"));
  CHECK_FALSE(is_utf8("\xf0\x90\x80"));
  CHECK_FALSE(is_utf8("\xed\xa0\x80"));
  CHECK_FALSE(is_utf8("\xc0\xaf"));
  CHECK(is_utf8(""));
  CHECK(is_utf8(std::string_view{"a\0b", 3}));
}

TEST_CASE("is_utf8 agrees with a decoder wherever in a text a byte stands", "[unit][messages]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  const std::string_view parts[] = {"a", "12345678", "\xc3\xa9", "\xe2\x82\xac",
                                    "\xf0\x9f\x8c\xa1"};
  for (int turn = 0; turn < 20'000; ++turn) {
    std::string text;
    for (auto k = random() % 8; k > 0; --k)
      text += parts[random() % std::size(parts)];
    REQUIRE(is_utf8(text));
    if (text.empty())
      continue;
    text[random() % text.size()] = static_cast<char>(random());
    REQUIRE(is_utf8(text) == decodes(text));
    text.resize(random() % (text.size() + 1));
    REQUIRE(is_utf8(text) == decodes(text));
  }
}

TEST_CASE("a name takes every byte that it may, wherever it stands", "[unit][messages]") {
  for (std::size_t size = 1; size <= 20; ++size)
    for (std::size_t at = 0; at < size; ++at)
      for (int b = 0; b < 256; ++b) {
        std::string name(size, 'a');
        name[at] = static_cast<char>(b);
        bool allowed = b >= 0x20 && b < 0x7f;
        if (check_key(name).has_value() != allowed)
          FAIL("byte " << b << " at " << at << " of " << size);
        if (check_type(name).has_value() != allowed)
          FAIL("byte " << b << " at " << at << " of " << size);
        if (check_id(name).has_value() != (allowed && b != '/'))
          FAIL("byte " << b << " at " << at << " of " << size);
      }
}

TEST_CASE("a name says what is wrong with it", "[unit][messages]") {
  CHECK(check_id("").error() == error{errc::bad_name, "twin id is empty"});
  CHECK(check_type("").error() == error{errc::bad_name, "twin type is empty"});
  CHECK(check_key("").error() == error{errc::bad_name, "property key is empty"});
  CHECK(check_key("a\nb").error()
        == error{errc::bad_name, "property key holds a control character"});
  CHECK(check_type("a\x80").error() == error{errc::bad_name, "twin type is not UTF-8"});
  CHECK(check_id("a/b").error() == error{errc::bad_name, "twin id 'a/b' holds a '/'"});
  CHECK(check_key("a/b"));
  CHECK(check_type("factory/press;1"));
  CHECK(check_id("gr\xc3\xbc\xc3\x9f gott \xf0\x9f\x8c\xa1"));
}

TEST_CASE("a name is at most 256 bytes long", "[unit][messages]") {
  std::string longest(limits::id_bytes_max, 'x');
  CHECK(check_id(longest));
  CHECK(check_type(longest));
  CHECK(check_key(longest));
  longest += 'x';
  CHECK(check_id(longest).error()
        == error{errc::bad_name, "twin id has 257 bytes, at most 256 are allowed"});
  CHECK_FALSE(check_type(longest));
  CHECK_FALSE(check_key(longest));
}

// The answer with the error is a frame too: it must stay short and UTF-8.
TEST_CASE("an id that is no UTF-8 or too long is not repeated in its error", "[unit][messages]") {
  auto malformed = check_id("a/\xff");
  REQUIRE_FALSE(malformed);
  CHECK(is_utf8(malformed.error().context));
  auto huge = check_id(std::string(1'000'000, '/'));
  REQUIRE_FALSE(huge);
  CHECK(huge.error().context.size() < 100);
}
