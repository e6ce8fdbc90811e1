#include "messages/limits.hpp"
#include "messages/packed.hpp"
#include "tests/support/random_messages.hpp"
#include "tests/support/seed.hpp"

#include <bit>
#include <limits>

using namespace gemel;

TEST_CASE("packed numbers come back for every width", "[unit][messages]") {
  byte_writer out;
  std::vector<std::uint64_t> numbers;
  for (unsigned bit = 0; bit < 64; ++bit)
    for (std::uint64_t off : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}})
      numbers.push_back((std::uint64_t{1} << bit) + off);
  for (auto one : numbers) {
    out.varint(one);
    out.signed_varint(static_cast<std::int64_t>(one));
    out.fixed(one);
  }
  byte_reader in{out.view()};
  for (auto one : numbers) {
    CHECK(in.varint() == one);
    CHECK(in.signed_varint() == static_cast<std::int64_t>(one));
    CHECK(in.fixed<std::uint64_t>() == one);
  }
  CHECK(in.ok());
  CHECK(in.at_end());
}

TEST_CASE("a reader keeps its first fault and gives nothing after it", "[unit][messages]") {
  byte_reader in{"\x05"};
  CHECK(in.bounded(4, "too many") == 0);
  CHECK_FALSE(in.ok());
  CHECK(in.u8() == 0);
  CHECK(to_string(in.why("part")) == "store_corrupt: part, byte 1: too many");
  byte_reader endless{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"};
  CHECK(endless.varint() == 0);
  CHECK_FALSE(endless.ok());
}

TEST_CASE("every value is packed and comes back identical", "[unit][messages]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  test::random_messages random{seed};
  byte_writer out;
  for (int i = 0; i < 20'000; ++i) {
    auto content = random.any_value(4);
    out.clear();
    pack_value(out, content);
    byte_reader in{out.view()};
    auto back = unpack_value(in);
    REQUIRE(in.ok());
    REQUIRE(in.at_end());
    REQUIRE(back == content);
  }
}

TEST_CASE("reals keep all their bits", "[unit][messages]") {
  using limits = std::numeric_limits<double>;
  std::vector<double> reals{0.0,
                            -0.0,
                            0.1,
                            -273.15,
                            1e15,
                            9007199254740993.0,
                            limits::min(),
                            limits::max(),
                            limits::denorm_min(),
                            limits::infinity(),
                            -limits::infinity(),
                            std::bit_cast<double>(0x7ff8'0000'0000'0001U),
                            std::bit_cast<double>(0xfff0'0000'0000'0001U),
                            1e-6,
                            1e-7};
  for (auto real : reals) {
    byte_writer out;
    pack_value(out, real);
    byte_reader in{out.view()};
    CHECK(std::bit_cast<std::uint64_t>(unpack_value(in).as_real())
          == std::bit_cast<std::uint64_t>(real));
  }
  byte_writer out;
  pack_value(out, 68.5);
  CHECK(out.size() == 3);
}

TEST_CASE("a text from a view without an address is the empty text", "[unit][messages]") {
  CHECK(value{std::string_view{}} == value{""});
}

TEST_CASE("packed values nested beyond the limit are refused", "[unit][messages]") {
  std::string bytes(limits::value_depth_max + 1, '\x07');
  std::string lists;
  for (std::size_t i = 0; i <= limits::value_depth_max; ++i)
    lists += std::string{"\x07\x01", 2};
  lists += '\0';
  byte_reader in{lists};
  CHECK(unpack_value(in).is_null());
  CHECK(to_string(in.why("value")).find("nested too deeply") != std::string::npos);
}
