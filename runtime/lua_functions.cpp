#include "runtime/lua_functions.hpp"

#include "messages/limits.hpp"
#include "messages/names.hpp"

#include <lua.hpp>

#include <cmath>
#include <cstdlib>
#include <memory>

namespace gemel {

namespace {

constexpr int hook_instructions = 10'000;

// What one state needs at hand; Lua's extra space points here.
struct lua_run {
  lua_limits bounds{};
  std::size_t memory = 0;
  std::uint64_t instructions = 0;
  const function_input* input = nullptr;
};

lua_run& run_of(lua_State* state) {
  return **static_cast<lua_run**>(lua_getextraspace(state));
}

void* allocate(void* user, void* block, std::size_t old_size, std::size_t new_size) {
  auto& run = *static_cast<lua_run*>(user);
  if (block == nullptr)
    old_size = 0; // It holds the kind of the object then.
  if (new_size == 0) {
    std::free(block);
    run.memory -= old_size;
    return nullptr;
  }
  if (new_size > old_size && run.memory + (new_size - old_size) > run.bounds.memory_bytes)
    return nullptr;
  auto* made = std::realloc(block, new_size);
  if (made != nullptr)
    run.memory += new_size - old_size;
  return made;
}

// Stops what is not wanted any more, also inside of pcall: it fires again and again.
void look(lua_State* state, lua_Debug*) {
  auto& run = run_of(state);
  run.instructions += hook_instructions;
  bool unwanted = run.input != nullptr && run.input->is_stopped();
  if (!unwanted && run.instructions <= run.bounds.instructions)
    return;
  // At each instruction from now on, so that whoever catches the error is stopped too.
  lua_sethook(state, look, LUA_MASKCOUNT, 1);
  if (unwanted)
    luaL_error(state, "stopped: nobody wants the answer any more");
  else {
    luaL_error(state, "stopped: more than %I instructions",
               static_cast<LUAI_UACINT>(run.bounds.instructions));
  }
}

struct close_state {
  void operator()(lua_State* state) const { lua_close(state); }
};
using state_ptr = std::unique_ptr<lua_State, close_state>;

int say_alive(lua_State* state) {
  const auto* input = run_of(state).input;
  if (input != nullptr && input->alive)
    input->alive();
  return 0;
}

void remove_members(lua_State* state, const char* table, std::initializer_list<const char*> names) {
  lua_getglobal(state, table);
  for (const auto* name : names) {
    lua_pushnil(state);
    lua_setfield(state, -2, name);
  }
  lua_pop(state, 1);
}

// Called in protected mode: memory may run out in here.
int open_libraries(lua_State* state) {
  luaL_requiref(state, "_G", luaopen_base, 1);
  luaL_requiref(state, LUA_MATHLIBNAME, luaopen_math, 1);
  luaL_requiref(state, LUA_STRLIBNAME, luaopen_string, 1);
  luaL_requiref(state, LUA_TABLIBNAME, luaopen_table, 1);
  luaL_requiref(state, LUA_UTF8LIBNAME, luaopen_utf8, 1);
  lua_settop(state, 0);
  // Byte code is not checked by Lua and could do anything; texts need no loading either.
  remove_members(state, "_G",
                 {"dofile", "loadfile", "load", "require", "print", "collectgarbage", "warn"});
  remove_members(state, "math", {"random", "randomseed"});
  remove_members(state, "string", {"dump"});
  lua_newtable(state);
  lua_pushcfunction(state, say_alive);
  lua_setfield(state, -2, "alive");
  lua_setglobal(state, "gemel");
  return 0;
}

state_ptr make_state(lua_run& run) {
  state_ptr state{lua_newstate(allocate, &run)};
  if (state == nullptr)
    return state;
  *static_cast<lua_run**>(lua_getextraspace(state.get())) = &run;
  lua_sethook(state.get(), look, LUA_MASKCOUNT, hook_instructions);
  return state;
}

void push(lua_State* state, const value& content) {
  luaL_checkstack(state, 4, "nested too deep");
  switch (content.kind()) {
  case value_kind::null:
    return lua_pushnil(state);
  case value_kind::boolean:
    return lua_pushboolean(state, content.as_bool() ? 1 : 0);
  case value_kind::integer:
    return lua_pushinteger(state, content.as_integer());
  case value_kind::real:
    return lua_pushnumber(state, content.as_real());
  case value_kind::text:
    lua_pushlstring(state, content.as_text().data(), content.as_text().size());
    return;
  case value_kind::bytes:
    lua_pushlstring(state, reinterpret_cast<const char*>(content.as_bytes().data()),
                    content.as_bytes().size());
    return;
  case value_kind::list: {
    auto list = content.as_list();
    lua_createtable(state, static_cast<int>(list.size()), 0);
    for (std::size_t i = 0; i < list.size(); ++i) {
      push(state, list[i]);
      lua_rawseti(state, -2, static_cast<lua_Integer>(i + 1));
    }
    return;
  }
  case value_kind::map: {
    auto map = content.as_map();
    lua_createtable(state, 0, static_cast<int>(map.size()));
    for (const auto& one : map) {
      lua_pushlstring(state, one.key.data(), one.key.size());
      push(state, one.content);
      lua_rawset(state, -3);
    }
    return;
  }
  }
}

class reader {
public:
  explicit reader(lua_State* state) : state_{state} {}

  result<value> read(int index, std::size_t depth = 1) {
    index = lua_absindex(state_, index);
    if (depth > limits::value_depth_max)
      return fail(errc::limit_reached, "the answer is nested too deep, or holds itself");
    if (++elements_ > limits::value_elements_max)
      return fail(errc::limit_reached, "the answer has more than "
                                           + std::to_string(limits::value_elements_max)
                                           + " elements");
    switch (lua_type(state_, index)) {
    case LUA_TNIL:
      return value{};
    case LUA_TBOOLEAN:
      return value{lua_toboolean(state_, index) != 0};
    case LUA_TNUMBER:
      return lua_isinteger(state_, index) != 0 ? value{lua_tointeger(state_, index)}
                                               : value{lua_tonumber(state_, index)};
    case LUA_TSTRING:
      return text(index);
    case LUA_TTABLE:
      return table(index, depth);
    default:
      return fail(errc::bad_value,
                  std::string{"the answer holds a "} + luaL_typename(state_, index));
    }
  }

private:
  result<value> text(int index) {
    std::size_t size = 0;
    const auto* bytes = lua_tolstring(state_, index, &size);
    std::string_view made{bytes, size};
    if (size > limits::text_bytes_max)
      return fail(errc::limit_reached, "the answer holds a text that is too long");
    if (!is_utf8(made))
      return fail(errc::bad_value, "the answer holds a text that is no UTF-8");
    return value{made};
  }

  // A table with the keys 1 to n is a list, an empty one a map.
  result<value> table(int index, std::size_t depth) {
    auto size = lua_rawlen(state_, index);
    value_list list;
    value_map map;
    if (lua_checkstack(state_, 4) == 0)
      return fail(errc::limit_reached, "the answer is nested too deep");
    lua_pushnil(state_);
    while (lua_next(state_, index) != 0) {
      auto content = read(-1, depth + 1);
      if (!content) {
        lua_pop(state_, 2);
        return content;
      }
      lua_pop(state_, 1);
      if (lua_type(state_, -1) == LUA_TSTRING) {
        std::size_t length = 0;
        const auto* key = lua_tolstring(state_, -1, &length);
        map.push_back({std::string{key, length}, std::move(*content)});
      } else if (lua_isinteger(state_, -1) != 0 && lua_tointeger(state_, -1) >= 1
                 && static_cast<std::uint64_t>(lua_tointeger(state_, -1)) <= size) {
        auto at = static_cast<std::size_t>(lua_tointeger(state_, -1));
        if (list.size() < at)
          list.resize(at);
        list[at - 1] = std::move(*content);
      } else {
        lua_pop(state_, 1);
        return fail(errc::bad_value, "the answer holds a table with keys that are neither texts "
                                     "nor 1 to n");
      }
    }
    if (!list.empty() && !map.empty())
      return fail(errc::bad_value, "the answer holds a table that is both list and map");
    return list.empty() ? value{std::move(map)} : value{std::move(list)};
  }

  lua_State* state_;
  std::size_t elements_ = 0;
};

void push_map(lua_State* state, const value& content) {
  if (content.is_map())
    push(state, content);
  else
    lua_newtable(state);
}

// Nothing with a destructor in here: an error of Lua jumps out of it.
int push_input(lua_State* state) {
  const auto& input = *run_of(state).input;
  lua_createtable(state, 0, 5);
  push(state, input.twin);
  lua_setfield(state, -2, "twin");
  push_map(state, input.parameters);
  lua_setfield(state, -2, "parameters");
  push_map(state, input.inputs);
  lua_setfield(state, -2, "inputs");
  lua_pushlstring(state, input.key.data(), input.key.size());
  lua_setfield(state, -2, "key");
  lua_pushinteger(state, input.attempt);
  lua_setfield(state, -2, "attempt");
  return 1;
}

error error_of(lua_State* state, int how, const std::string& name) {
  if (how == LUA_ERRMEM)
    return {errc::limit_reached, name + ": it needs more memory than it may"};
  std::string why = name + ": an error that is no text";
  if (lua_type(state, -1) == LUA_TSTRING)
    why = lua_tostring(state, -1);
  if (why.find("stopped: more than") != std::string::npos)
    return {errc::limit_reached, why};
  if (why.find("stopped: ") != std::string::npos)
    return {errc::timed_out, why};
  return {errc::command_failed, why};
}

// Leaves the chunk's value on the stack.
result<void> load_chunk(lua_State* state, const std::string& text, const std::string& file,
                        const std::string& name) {
  lua_pushcfunction(state, open_libraries);
  if (auto how = lua_pcall(state, 0, 0, 0); how != LUA_OK)
    return tl::unexpected<error>(error_of(state, how, name));
  if (luaL_loadbufferx(state, text.data(), text.size(), ("@" + file).c_str(), "t") != LUA_OK) {
    const auto* why = lua_tostring(state, -1);
    return fail(errc::bad_syntax, why != nullptr ? why : "it cannot be read");
  }
  if (auto how = lua_pcall(state, 0, 1, 0); how != LUA_OK)
    return tl::unexpected<error>(error_of(state, how, name));
  // Outside of protected mode: these few bytes are always given.
  run_of(state).bounds.memory_bytes += 4'096;
  if (lua_istable(state, -1)) {
    lua_pushliteral(state, "call");
    lua_rawget(state, -2);
    lua_remove(state, -2);
  }
  if (!lua_isfunction(state, -1))
    return fail(errc::bad_value, file + ": it must return a function, or a table with 'call'");
  return {};
}

struct lua_source {
  std::string name;
  std::string text;
  std::string file;
  lua_limits bounds;
};

result<value> call_lua(const lua_source& source, const function_input& input) {
  lua_run run{source.bounds, 0, 0, &input};
  auto state = make_state(run);
  if (state == nullptr)
    return fail(errc::limit_reached, source.name + ": it needs more memory than it may");
  auto* lua = state.get();
  if (auto loaded = load_chunk(lua, source.text, source.file, source.name); !loaded)
    return tl::unexpected<error>(loaded.error());
  lua_pushcfunction(lua, push_input);
  if (auto how = lua_pcall(lua, 0, 1, 0); how != LUA_OK)
    return tl::unexpected<error>(error_of(lua, how, source.name));
  if (auto how = lua_pcall(lua, 1, 1, 0); how != LUA_OK)
    return tl::unexpected<error>(error_of(lua, how, source.name));
  auto made = reader{lua}.read(-1);
  if (!made)
    return fail(made.error().code, source.file + ": " + made.error().context);
  return made;
}

} // namespace

result<function_info> make_lua_function(std::string name, std::string text, std::string file,
                                        lua_limits bounds) {
  lua_run run{bounds, 0, 0, nullptr};
  auto state = make_state(run);
  if (state == nullptr)
    return fail(errc::limit_reached, name + ": it needs more memory than it may");
  auto source = std::make_shared<const lua_source>(lua_source{name, std::move(text), file, bounds});
  // Run once, to find what is wrong before anybody calls it, and what it says of itself.
  if (auto loaded = load_chunk(state.get(), source->text, file, name); !loaded)
    return tl::unexpected<error>(loaded.error());
  function_info made;
  made.name = std::move(name);
  made.help = "Lua, " + file;
  made.source = std::move(file);
  made.call = [source](const function_input& input) { return call_lua(*source, input); };
  return made;
}

std::string lua_function_name(const std::string& path) {
  auto name = path.substr(path.rfind('/') + 1);
  return name.ends_with(".lua") ? name.substr(0, name.size() - 4) : name;
}

} // namespace gemel
