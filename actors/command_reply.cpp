#include "actors/command_reply.hpp"

#include "actors/cell.hpp"

#include <utility>

namespace gemel {

void cell_outlet::post(job what) {
  std::lock_guard guard{mutex_};
  if (post_)
    post_(std::move(what));
}

void cell_outlet::close() {
  std::lock_guard guard{mutex_};
  post_ = {};
}

command_reply& command_reply::operator=(command_reply&& other) noexcept {
  // What this one held is thrown away with `other`.
  std::swap(to_, other.to_);
  std::swap(number_, other.number_);
  return *this;
}

command_reply::~command_reply() {
  if (to_ != nullptr)
    complete(fail(errc::command_failed, "the behaviour gave no answer"));
}

void command_reply::complete(result<value> answer) {
  GEMEL_CHECK(to_ != nullptr);
  auto to = std::exchange(to_, nullptr);
  to->post([number = number_, answer = std::move(answer)](cell& of, const moment&) {
    of.finish_command(number, answer);
  });
}

} // namespace gemel
