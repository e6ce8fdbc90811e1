#include "workflows/template_value.hpp"

#include "messages/json_scan.hpp"

namespace gemel {

namespace {

// Where the expression that begins at `from` ends: the next `}` outside quotes; npos if none.
std::size_t end_of_expression(std::string_view text, std::size_t from) {
  char quote = '\0';
  for (auto i = from; i < text.size(); ++i) {
    auto c = text[i];
    if (quote != '\0')
      quote = c == quote ? '\0' : quote;
    else if (c == '\'' || c == '"')
      quote = c;
    else if (c == '}')
      return i;
  }
  return std::string_view::npos;
}

std::vector<const value*> bind(const expression& of, const reference_resolver& resolve) {
  std::vector<const value*> bound;
  bound.reserve(of.references().size());
  for (const auto& one : of.references())
    bound.push_back(resolve(one));
  return bound;
}

} // namespace

value evaluate(const expression& of, const reference_resolver& resolve) {
  return of.evaluate(bind(of, resolve));
}

bool is_true(const expression& of, const reference_resolver& resolve) {
  return of.test(bind(of, resolve));
}

template_value template_value::compile(const value& source, const expression_options& options,
                                       const std::string& pointer, fault_list& faults) {
  template_value made;
  made.node_ = compile_node(source, options, pointer, faults);
  return made;
}

std::unique_ptr<template_value::node>
template_value::compile_node(const value& source, const expression_options& options,
                             const std::string& pointer, fault_list& faults) {
  auto made = std::make_unique<node>();
  made->literal = source;
  made->pointer = pointer;
  auto add = [&](const value& element, const std::string& step) {
    made->elements.push_back(compile_node(element, options, pointer + step, faults));
    made->constant = made->constant && made->elements.back()->constant;
  };
  if (source.is_text()) {
    compile_text(*made, source.as_text(), options, faults);
  } else if (source.is_list()) {
    for (std::size_t i = 0; i < source.as_list().size(); ++i)
      add(source.as_list()[i], "/" + std::to_string(i));
  } else if (source.is_map()) {
    made->is_map = true;
    for (const auto& member : source.as_map()) {
      made->keys.push_back(member.key);
      add(member.content, json_pointer_step(member.key));
    }
  }
  return made;
}

void template_value::compile_text(node& into, std::string_view text,
                                  const expression_options& options, fault_list& faults) {
  std::string literal;
  for (std::size_t i = 0; i < text.size();) {
    auto rest = text.substr(i);
    if (rest.starts_with("$${")) {
      literal += "${";
      i += 3;
      continue;
    }
    if (!rest.starts_with("${")) {
      literal += text[i++];
      continue;
    }
    auto end = end_of_expression(text, i + 2);
    if (end == std::string_view::npos) {
      add_fault(faults, {.code = errc::bad_syntax,
                         .at = into.pointer,
                         .message = "'${' without its '}'",
                         .hint = "write '$${' for the characters themselves"});
      return;
    }
    auto code = expression::compile(text.substr(i + 2, end - i - 2), options);
    if (!code) {
      add_fault(faults, {.code = code.error().code,
                         .at = into.pointer,
                         .message = "in ${...}: " + code.error().context});
      return;
    }
    if (!literal.empty())
      into.parts.push_back({std::exchange(literal, {}), std::nullopt});
    into.parts.push_back({{}, std::move(*code)});
    into.constant = false;
    i = end + 1;
  }
  if (into.constant)
    into.literal = value{literal};
  else if (!literal.empty())
    into.parts.push_back({std::move(literal), std::nullopt});
}

value template_value::render(const reference_resolver& resolve) const {
  return node_ != nullptr ? render_node(*node_, resolve) : value{};
}

value template_value::render_node(const node& of, const reference_resolver& resolve) {
  if (!of.parts.empty())
    return render_text(of, resolve);
  if (of.elements.empty())
    return of.literal;
  if (!of.is_map) {
    value_list list;
    list.reserve(of.elements.size());
    for (const auto& element : of.elements)
      list.push_back(render_node(*element, resolve));
    return value{std::move(list)};
  }
  value_map map;
  map.reserve(of.elements.size());
  for (std::size_t i = 0; i < of.elements.size(); ++i)
    map.push_back({of.keys[i], render_node(*of.elements[i], resolve)});
  return value{std::move(map)};
}

value template_value::render_text(const node& of, const reference_resolver& resolve) {
  if (of.parts.size() == 1)
    return evaluate(*of.parts[0].code, resolve);
  std::string text;
  for (const auto& one : of.parts) {
    if (!one.code) {
      text += one.text;
      continue;
    }
    auto content = evaluate(*one.code, resolve);
    if (!content.is_null())
      text += to_string(content);
  }
  return value{text};
}

void template_value::for_each_reference(
    const std::function<void(const reference&, const std::string&)>& each) const {
  if (node_ != nullptr)
    visit(*node_, each);
}

void template_value::visit(const node& of,
                           const std::function<void(const reference&, const std::string&)>& each) {
  for (const auto& one : of.parts)
    if (one.code)
      for (const auto& found : one.code->references())
        each(found, of.pointer);
  for (const auto& element : of.elements)
    visit(*element, each);
}

} // namespace gemel
