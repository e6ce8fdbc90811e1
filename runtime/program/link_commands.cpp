#include "runtime/adapters/machine.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/display.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/table.hpp"

#include <CLI/CLI.hpp>

#include <chrono>

namespace gemel {

namespace {

using answer = result<value>;

std::string text_of(const value& row, std::string_view key) {
  const auto* found = row.find(key);
  return found != nullptr && found->is_text() ? std::string{found->as_text()} : std::string{};
}

answer ask(twin_api& node, const std::string& name, value arguments) {
  auto made = node.call({"sync", name, std::move(arguments)});
  if (!made && made.error().code == errc::unsupported)
    return fail(errc::unsupported, "this node cannot be linked: it needs a store (store.path) and "
                                   "the cluster's key (cluster.key_file)");
  return made;
}

value one_peer(const std::string& peer) {
  return value{value_map{{"peer", value{peer}}}};
}

// What `sync status` says of a peer; null: it is not there.
value link_to(const answer& status, std::string_view node) {
  if (status)
    for (const auto& link : status->find("links")->as_list())
      if (text_of(link, "peer") == node)
        return link;
  return {};
}

// ---- link add -----------------------------------------------------------------------------------

// A first attempt needs some time; whatever becomes of it, the link stays and is tried again.
value first_attempt(twin_api& node, const std::string& peer) {
  using namespace std::chrono_literals;
  value seen;
  for (auto left = 30; left > 0; --left) {
    seen = link_to(ask(node, "status", {}), peer);
    if (seen.is_null() || text_of(seen, "state") == "up" || !text_of(seen, "trouble").empty())
      break;
    pause(100ms);
  }
  return seen;
}

int run_add(const program_context& context, const std::string& text) {
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  if (auto done = ask(**link, "link_add", one_peer(text)); !done)
    return refuse(context, done.error());
  auto peer = text.substr(0, text.find('='));
  auto seen = first_attempt(**link, peer);
  if (context.json) {
    context.console.out(to_json(seen) + "\n");
    return exit_ok;
  }
  auto trouble = text_of(seen, "trouble");
  auto state = text_of(seen, "state") == "up" ? ", and it is there"
               : trouble.empty()              ? ", which has not answered yet"
                                              : ", which is not there yet: " + trouble;
  context.console.out("linked to " + printable(peer) + printable(state) + "\n");
  return exit_ok;
}

void add_link_add(CLI::App& link, program_context& context) {
  auto peer = std::make_shared<std::string>();
  auto* command = link.add_subcommand("add", "Link a running node to another one");
  command->add_option("PEER", *peer, "NODE=HOST:PORT, or NODE if that one calls")
      ->required()
      ->type_name("");
  add_link_options(*command, context);
  command->footer("The link stays over restarts. The other node needs this one as its peer, too.\n"
                  "Examples:\n"
                  "  gemel link add cloud=10.0.0.7:7434\n"
                  "  gemel link add edge-2");
  command->callback(
      [&context, peer] { context.action = [&context, peer] { return run_add(context, *peer); }; });
}

// ---- link remove --------------------------------------------------------------------------------

int run_remove(const program_context& context, const std::string& peer) {
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  auto done = ask(**link, "link_remove", one_peer(peer));
  if (!done)
    return refuse(context, done.error());
  context.console.out(context.json ? to_json(*done) + "\n"
                                   : "no longer linked to " + printable(peer) + "\n");
  return exit_ok;
}

void add_link_remove(CLI::App& link, program_context& context) {
  auto peer = std::make_shared<std::string>();
  auto* command = link.add_subcommand("remove", "End a link that was added by command");
  command->add_option("NODE", *peer, "The peer's node.id")->required()->type_name("");
  add_link_options(*command, context);
  command->footer("Twins stay on both sides; nothing waits for that peer any more. A peer of the\n"
                  "config goes by taking it out of cluster.peers.\n"
                  "Examples:\n"
                  "  gemel link remove edge-2");
  command->callback([&context, peer] {
    context.action = [&context, peer] { return run_remove(context, *peer); };
  });
}

// ---- link list ----------------------------------------------------------------------------------

int run_list(const program_context& context) {
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  auto status = ask(**link, "status", {});
  if (!status)
    return refuse(context, status.error());
  const auto& links = status->find("links")->as_list();
  if (context.json) {
    context.console.out(to_json(*status->find("links")) + "\n");
    return exit_ok;
  }
  table made{{{"PEER"}, {"ADDRESS"}, {"FROM"}, {"STATE"}, {"TROUBLE"}}, context.form()};
  std::vector<std::vector<table_cell>> rows;
  for (const auto& one : links) {
    auto address = text_of(one, "address");
    rows.push_back({{printable(text_of(one, "peer"))},
                    {address.empty() ? "it calls" : printable(address)},
                    {*one.find("configured") == value{true} ? "config" : "command"},
                    {text_of(one, "state")},
                    {printable(text_of(one, "trouble"))}});
  }
  context.console.out(rows.empty() ? "no links\n" : made.draw(rows));
  return exit_ok;
}

void add_link_list(CLI::App& link, program_context& context) {
  auto* command = link.add_subcommand("list", "Print the peers of a running node");
  add_link_options(*command, context);
  command->footer("Examples:\n"
                  "  gemel link list\n"
                  "  gemel link list --json");
  command->callback([&context] { context.action = [&context] { return run_list(context); }; });
}

} // namespace

void add_link_commands(CLI::App& root, program_context& context) {
  auto* link = root.add_subcommand("link", "Which other nodes a running node is linked to");
  link->require_subcommand(1);
  add_link_add(*link, context);
  add_link_remove(*link, context);
  add_link_list(*link, context);
}

} // namespace gemel
