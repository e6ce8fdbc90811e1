#include "registry/model.hpp"
#include "tests/support/catch.hpp"

using namespace gemel;

namespace {

type_model asset() {
  type_model made;
  made.name = "asset";
  made.capabilities = {"locatable"};
  made.properties = {{.key = "serial", .kind = property_kind::text, .unique = true},
                     {.key = "load", .kind = property_kind::number, .min = 0, .max = 100}};
  made.stale_after_us = 1'000;
  made.passive_after_us = 2'000;
  made.rollups = {"load"};
  return made;
}

type_model pump() {
  type_model made;
  made.name = "pump";
  made.extends = "asset";
  made.capabilities = {"pumping"};
  made.properties = {{.key = "load", .kind = property_kind::integer}};
  return made;
}

} // namespace

TEST_CASE("a model has what it extends, and its own declarations count more", "[unit][registry]") {
  auto models = model_table::make({pump(), asset()});
  REQUIRE(models);
  const auto* made = models->find("pump");
  REQUIRE(made != nullptr);
  CHECK(made->capabilities == std::vector<std::string>{"pumping", "locatable"});
  CHECK(made->find("serial")->unique);
  CHECK(made->find("load")->kind == property_kind::integer);
  CHECK_FALSE(made->find("load")->max);
  CHECK(made->stale_after_us == 1'000);
  CHECK(made->passive_after_us == 2'000);
  CHECK(made->rollups == std::vector<std::string>{"load"});
  CHECK(models->is_a("pump", "asset"));
  CHECK_FALSE(models->is_a("asset", "pump"));
  CHECK(models->is_a("unknown", "unknown"));
  CHECK_FALSE(models->is_a("pump", ""));
}

TEST_CASE("models that contradict themselves are refused by name", "[unit][registry]") {
  auto circle = asset();
  circle.extends = "pump";
  auto refused = model_table::make({pump(), circle});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::bad_value);
  CHECK(refused.error().context.find("extends itself") != std::string::npos);

  auto orphan = model_table::make({pump()});
  REQUIRE_FALSE(orphan);
  CHECK(orphan.error() == error{errc::unknown_key, "pump extends asset, which is not declared"});

  auto wrong = asset();
  wrong.properties = {{.key = "x", .kind = property_kind::number, .min = 2, .max = 1}};
  CHECK(model_table::make({wrong}).error().context == "asset.x: min is above max");
  wrong.properties = {{.key = "x", .kind = property_kind::list, .unique = true}};
  CHECK(model_table::make({wrong}).error().context
        == "asset.x: unique needs the kind text or integer");
  CHECK_FALSE(model_table::make({asset(), asset()}));
}

TEST_CASE("a value must be of its property's kind and range", "[unit][registry]") {
  auto models = model_table::make({asset()});
  REQUIRE(models);
  const auto& load = *models->find("asset")->find("load");
  CHECK(check(load, value{12}));
  CHECK(check(load, value{99.5}));
  CHECK(check(load, value{}));
  CHECK(check(load, value{100.5}).error()
        == error{errc::bad_value, "load is 100.5, at most 100 is allowed"});
  CHECK(check(load, value{-1}).error().context == "load is -1, at least 0 is allowed");
  CHECK(check(load, value{"12"}).error().context == "load must be of kind number");
}

TEST_CASE("a twin is found by unique properties only", "[unit][registry]") {
  auto models = model_table::make({pump(), asset()});
  REQUIRE(models);
  CHECK(models->check_alias("serial"));
  CHECK(models->check_alias("load").error()
        == error{errc::unknown_key, "no type declares 'load' as unique; unique are: serial"});
  CHECK(model_table{}.check_alias("load").error()
        == error{errc::unknown_key, "no type declares 'load' as unique; nor any other property"});
}

TEST_CASE("the names of property kinds are read back", "[unit][registry]") {
  for (auto kind :
       {property_kind::any, property_kind::boolean, property_kind::integer, property_kind::number,
        property_kind::text, property_kind::bytes, property_kind::list, property_kind::map})
    CHECK(property_kind_from_string(to_string(kind)) == kind);
  CHECK(property_kind_from_string("float").error().context.find("number") != std::string::npos);
}
