// A program of its own with gemel inside: makes twins, changes them, watches and asks for them.
#include <runtime/gemel.hpp>

#include <cstdlib>
#include <iostream>
#include <string>

// The answer, or the end of the program with what is wrong.
template <class T>
T must(gemel::result<T> answer) {
  if (!answer) {
    std::cerr << "gemel-embedded: " + to_string(answer.error()) + "\n";
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>)
    return *std::move(answer);
}

// Called by a thread of the runtime.
void print_alerts(const gemel::event_batch& events) {
  for (unsigned i = 0; i < events.size(); ++i)
    std::cout << "alert: " + std::string{events[i].id()} + " has "
                     + to_string(events[i].new_value("temperature")) + " C\n";
}

int main() {
  auto node = must(gemel::node::start());
  must(node->create({.id = "hall", .type = "building", .properties = {{"name", "Factory A"}}}));
  for (int i = 0; i < 10; ++i)
    must(node->create({.id = "machine-" + std::to_string(i),
                       .type = "machine",
                       .parent = "hall",
                       .properties = {{"temperature", 68.5}, {"vibration_level", 0.2}}}));

  must(node->subscribe({.type = "machine", .where = "temperature > 85"}, print_alerts));
  for (int i = 0; i < 10; ++i)
    must(node->update("machine-" + std::to_string(i), {{"temperature", 77.5 + i}}));

  auto hot = must(node->query_all({.where = "temperature > 80", .order_by = "temperature"}));
  for (const auto& twin : hot)
    std::cout << "hot: " + twin.path + " has " + to_string(*twin.find("temperature")) + " C\n";
  node->stop(); // first gives subscribers what is on its way
}
