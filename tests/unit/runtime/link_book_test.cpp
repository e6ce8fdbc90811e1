#include "runtime/link_book.hpp"
#include "tests/support/catch.hpp"

using namespace gemel;

namespace {

std::string wrong(const link_book& of, std::string_view text) {
  auto checked = of.check(text);
  REQUIRE_FALSE(checked);
  return checked.error().context;
}

bool has(const std::string& text, std::string_view part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("a link is added once and never to the node itself", "[unit][runtime]") {
  link_book book{{"edge", false}, {"cloud"}};
  auto hall = book.check("hall=127.0.0.1:7434");
  REQUIRE(hall);
  CHECK(*hall == peer_address{"hall", "127.0.0.1", 7434});
  CHECK(book.add(*hall, "hall=127.0.0.1:7434") == 1);
  CHECK(has(wrong(book, "hall"), "'hall' is a peer already, as hall=127.0.0.1:7434"));
  CHECK(has(wrong(book, "cloud=127.0.0.1:1"), "by the config"));
  CHECK(has(wrong(book, "edge"), "this node itself"));
  CHECK(has(wrong(book, "x=127.0.0.1"), "it has no port"));
  CHECK(has(wrong(book, "x=some_host:1"), "it is no address"));
  CHECK(has(wrong(book, ""), "is no peer"));
  CHECK(has(wrong(book, std::string(10'000, 'x')), "it is too long"));
  CHECK(has(wrong(book, "x=10.0.0.7:7434"), "no certificates"));
  CHECK((link_book{{"edge", true}, {}}.check("x=10.0.0.7:7434")));
}

TEST_CASE("a number is not used again, and the config's peers stay", "[unit][runtime]") {
  link_book book{{"edge", false}, {"cloud"}};
  CHECK(book.remove("cloud").error().code == errc::precondition_failed);
  CHECK(book.remove("hall").error().code == errc::not_found);
  CHECK(book.add(*book.check("hall"), "hall") == 1);
  CHECK(*book.remove("hall") == 1);
  CHECK(book.remove("hall").error().code == errc::not_found);
  CHECK(book.add(*book.check("hall"), "hall") == 2);
  CHECK(*book.remove("hall") == 2);
  for (auto i = book.links().size(); i < link_book::numbers_max; ++i) {
    book.add(*book.check("hall"), "hall");
    REQUIRE(book.remove("hall"));
  }
  CHECK(book.check("hall").error().code == errc::limit_reached);
}

TEST_CASE("added links come back from the disk, damaged ones do not", "[unit][runtime]") {
  link_book book{{"edge", false}, {"cloud"}};
  book.add(*book.check("hall=[::1]:1"), "hall=[::1]:1");
  book.add(*book.check("gone"), "gone");
  book.add(*book.check("yard"), "yard");
  REQUIRE(book.remove("gone"));
  auto bytes = book.pack();
  CHECK(*link_book::unpack(bytes) == std::vector<std::string>{"hall=[::1]:1", "yard"});
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK(link_book::unpack(bytes.substr(0, size)).error().code == errc::store_corrupt);
  CHECK_FALSE(link_book::unpack(bytes + "x"));
  CHECK_FALSE(link_book::unpack("\x07" + bytes.substr(1)));
}
