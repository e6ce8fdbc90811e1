// A twin is a true CAF actor: any actor can send to its address, monitor it and link to it.

#include "actors/caf.hpp"
#include "runtime/caf_access.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/small_node.hpp"

#include <caf/scoped_actor.hpp>

using namespace gemel;

namespace {

frame get_nothing() {
  return make_get(std::vector<std::string>{});
}

} // namespace

TEST_CASE("a twin's address answers updates and gets", "[integration][actors]") {
  auto in = start_small_node();
  REQUIRE(in->create({.id = "t", .type = "x", .properties = {{"n", 1}}}));
  auto twin = caf_access::twin(*in, "t");
  REQUIRE(twin);
  caf::scoped_actor self{caf_access::system(*in)};
  std::array<property_ref, 1> set = {{{"n", 2}}};
  self->request(*twin, caf::infinite, make_update("t", set))
      .receive([](const frame& reply) { CHECK(expect_outcome(reply)->applied == 1); },
               [](const caf::error&) { FAIL("no answer"); });
  self->request(*twin, caf::infinite, get_nothing())
      .receive(
          [](const frame& reply) {
            auto page = expect_page(reply);
            REQUIRE(page);
            CHECK(page->twins.at(0).id == "t");
            CHECK(*page->twins.at(0).find("n") == value{2});
          },
          [](const caf::error&) { FAIL("no answer"); });
  self->request(*twin, caf::infinite, make_update("another", set))
      .receive(
          [](const frame& reply) {
            CHECK(expect_outcome(reply)->failures.at(0).why.code == errc::twin_not_found);
          },
          [](const caf::error&) { FAIL("no answer"); });
  self->request(*twin, caf::infinite, std::string{"what is this"})
      .receive([](const frame&) { FAIL("an answer"); },
               [](const caf::error& why) { CHECK(why == caf::sec::unexpected_message); });
}

TEST_CASE("who monitors a twin hears when it is deleted, and later messages bounce",
          "[integration][actors]") {
  auto in = start_small_node();
  REQUIRE(in->create({.id = "t", .type = "x"}));
  auto twin = caf_access::twin(*in, "t");
  REQUIRE(twin);
  caf::scoped_actor self{caf_access::system(*in)};
  self->monitor(*twin);
  REQUIRE(in->remove("t"));
  self->receive([&](const caf::down_msg& down) { CHECK(down.source == twin->address()); });
  self->request(*twin, caf::infinite, get_nothing())
      .receive([](const frame&) { FAIL("an answer"); },
               [](const caf::error& why) { CHECK(why == caf::sec::request_receiver_down); });
  self->monitor(*twin);
  self->receive([&](const caf::down_msg& down) { CHECK(down.source == twin->address()); });
}

TEST_CASE("who is linked to a twin ends with it, and who unlinked does not",
          "[integration][actors]") {
  auto in = start_small_node();
  REQUIRE(in->create({.id = "t", .type = "x"}));
  auto twin = caf_access::twin(*in, "t");
  REQUIRE(twin);
  auto& system = caf_access::system(*in);
  auto idle = [](caf::event_based_actor* self, caf::actor to, bool then_unlink) -> caf::behavior {
    self->link_to(to);
    if (then_unlink)
      self->unlink_from(to);
    return {[](int n) { return n + 1; }};
  };
  auto linked = system.spawn(idle, *twin, false);
  auto unlinked = system.spawn(idle, *twin, true);
  caf::scoped_actor self{system};
  for (const auto& one : {linked, unlinked})
    self->request(one, caf::infinite, 1)
        .receive([](int n) { CHECK(n == 2); }, [](const caf::error&) { FAIL("no answer"); });
  self->monitor(linked);
  REQUIRE(in->remove("t"));
  self->receive([&](const caf::down_msg& down) { CHECK(down.source == linked.address()); });
  self->request(unlinked, caf::infinite, 1)
      .receive([](int n) { CHECK(n == 2); }, [](const caf::error&) { FAIL("it ended"); });
  caf::anon_send_exit(unlinked, caf::exit_reason::user_shutdown);
}

namespace {

// Counts how often it was started.
class counting final : public behavior {
public:
  explicit counting(std::atomic<int>& starts) { ++starts; }
};

} // namespace

TEST_CASE("an exit message to a twin ends its behaviour and the supervisor starts it anew",
          "[integration][actors]") {
  std::atomic<int> starts{0};
  node_options wanted;
  wanted.config.node.workers = 2;
  wanted.behaviors["x"] = [&] { return std::make_unique<counting>(starts); };
  auto in = node::start(std::move(wanted));
  REQUIRE(in);
  REQUIRE((*in)->create({.id = "t", .type = "x", .properties = {{"n", 1}}}));
  auto twin = caf_access::twin(**in, "t");
  REQUIRE(twin);
  caf::anon_send_exit(*twin, caf::exit_reason::kill);
  // A turn of the cell later the exit has been seen to.
  REQUIRE((*in)->update("t", {{"n", 2}}));
  CHECK(*(*in)->get("t")->find("n") == value{2});
  CHECK(starts == 2);
  *twin = nullptr;
}

TEST_CASE("a rule publishes to an actor of the program", "[integration][rules]") {
  auto in = start_small_node();
  REQUIRE(in->create({.id = "t", .type = "x"}));
  {
    caf::scoped_actor self{caf_access::system(*in)};
    caf_access::publish_to(*in, "alarms", caf::actor_cast<caf::actor>(self));
    std::string document = R"({"rule":"r","pattern":{"steps":[{"name":"a","where":"n > 1"}]},)"
                           R"("select":{"n":"a.n"},"actions":[{"publish":"alarms"}]})";
    REQUIRE(in->call({"rules", "add", value{value_map{{"document", value{document}}}}}));
    REQUIRE(in->update("t", {{"n", value{2}}}));
    self->receive([](const frame& found) {
      auto what = expect_result(found);
      REQUIRE(what);
      CHECK(*what->find("n") == value{2});
    });
    caf_access::publish_to(*in, "alarms", {});
  }
}
