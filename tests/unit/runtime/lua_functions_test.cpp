#include "runtime/lua_functions.hpp"
#include "tests/support/catch.hpp"

using namespace gemel;

namespace {

result<value> run(std::string text, value parameters = {}, lua_limits bounds = {}) {
  auto made = make_lua_function("f", std::move(text), "f.lua", bounds);
  if (!made)
    return tl::unexpected<error>(made.error());
  function_input input;
  input.parameters = std::move(parameters);
  return made->call(input);
}

} // namespace

TEST_CASE("a Lua function reads its step and answers a value", "[unit][runtime]") {
  auto made = make_lua_function("f", R"(
    return function(step)
      local p = step.twin.properties
      return {hot = p.t > step.parameters.limit, sum = p.list[1] + p.list[3], none = nil,
              list = {1, 2.5, "x"}, text = step.inputs.a .. "!"}
    end)",
                                "f.lua");
  REQUIRE(made);
  function_input input;
  input.twin = *value_from_json(R"({"properties": {"t": 90, "list": [1, 2, 3]}})");
  input.parameters = *value_from_json(R"({"limit": 70})");
  input.inputs = *value_from_json(R"({"a": "ä"})");
  auto answer = made->call(input);
  REQUIRE(answer);
  CHECK(*answer
        == *value_from_json(R"({"hot": true, "sum": 4, "list": [1, 2.5, "x"], "text": "ä!"})"));
}

TEST_CASE("errors of Lua name file and line", "[unit][runtime]") {
  auto syntax = run("return function(s)\n  retur 1\nend");
  CHECK(syntax.error().code == errc::bad_syntax);
  CHECK(syntax.error().context.find("f.lua:2:") == 0);
  auto thrown = run("return function(s)\n\n  error('no')\nend");
  CHECK(thrown.error().code == errc::command_failed);
  CHECK(thrown.error().context == "f.lua:3: no");
  CHECK(run("return 7").error().code == errc::bad_value);
  CHECK(run("return function() return {[1.5] = 1} end").error().code == errc::bad_value);
  CHECK(run("return function() return {f = math.abs} end").error().code == errc::bad_value);
  CHECK(run("return function() local t = {} t.t = t return t end").error().code
        == errc::limit_reached);
  CHECK(run("return function() return '\\xff' end").error().code == errc::bad_value);
  CHECK(run("return function() error({}) end").error().code == errc::command_failed);
}

TEST_CASE("Lua that loops for ever or allocates without end is stopped", "[unit][runtime]") {
  lua_limits small{1u << 20, 1'000'000};
  CHECK(run("return function() while true do end end", {}, small).error().code
        == errc::limit_reached);
  CHECK(run("while true do end", {}, small).error().code == errc::limit_reached);
  CHECK(run("return function() while true do pcall(function() while true do end end) end end", {},
            small)
            .error()
            .code
        == errc::limit_reached);
  CHECK(run("return function() local t = {} for i = 1, 1e9 do t[i] = i end end", {}, small)
            .error()
            .code
        == errc::limit_reached);
  CHECK(run("return function() return string.rep('x', 1 << 40) end", {}, small).error().code
        != errc::none);
  CHECK(run("return function() local function f() return 1 + f() end return f() end", {}, small)
            .error()
            .code
        != errc::none);
}

TEST_CASE("Lua stops when nobody wants its answer, even if it catches errors", "[unit][runtime]") {
  auto made = make_lua_function(
      "f", "return function() while true do pcall(function() while true do end end) end end",
      "f.lua");
  REQUIRE(made);
  function_input input;
  input.stop = std::make_shared<std::atomic<bool>>(true);
  CHECK(made->call(input).error().code == errc::timed_out);
}

TEST_CASE("Lua reaches no file, process, network, clock or chance", "[unit][runtime]") {
  for (const auto* name : {"io", "os", "package", "debug", "require", "dofile", "loadfile", "load",
                           "print", "coroutine", "collectgarbage", "math.random", "string.dump"}) {
    INFO(name);
    auto answer = run(std::string{"return function() return tostring("} + name + ") end");
    REQUIRE(answer);
    CHECK(*answer == value{"nil"});
  }
  // Each call has a state of its own.
  auto counts = make_lua_function("f", "n = 0 return function() n = n + 1 return n end", "f.lua");
  REQUIRE(counts);
  CHECK(*counts->call({}) == value{1});
  CHECK(*counts->call({}) == value{1});
  // Byte code, which Lua does not check, is refused.
  CHECK(!make_lua_function("f", "\x1bLua", "f.lua"));
}

TEST_CASE("Lua says that it is alive", "[unit][runtime]") {
  auto made = make_lua_function("f", "return function() gemel.alive() gemel.alive() end", "f.lua");
  REQUIRE(made);
  int told = 0;
  function_input input;
  input.alive = [&] { ++told; };
  REQUIRE(made->call(input));
  CHECK(told == 2);
}
