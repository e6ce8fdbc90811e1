#include "actors/poison_list.hpp"

#include <algorithm>

namespace gemel {

namespace {

bool is_fault_of_input(const error& why) noexcept {
  return why.code == errc::command_failed || why.code == errc::limit_reached
         || why.code == errc::bad_value;
}

std::string twin_of(const compute_job& job) {
  const auto* id = job.input.twin.find("id");
  return id != nullptr && id->is_text() ? std::string{id->as_text()} : "";
}

} // namespace

std::optional<error> poison_list::refusal(std::uint64_t fingerprint) const {
  auto found = set_aside_.find(fingerprint);
  if (found == set_aside_.end())
    return std::nullopt;
  const auto& one = found->second;
  return error{errc::limit_reached,
               one.function + " failed " + std::to_string(one.failures)
                   + " times with this input, which is set aside; last: " + to_string(one.why)};
}

void poison_list::keep_suspect(std::uint64_t fingerprint) {
  suspect_order_.push_back(fingerprint);
  while (suspect_order_.size() > bounds_.suspects_max) {
    suspects_.erase(suspect_order_.front());
    suspect_order_.pop_front();
  }
}

std::optional<poison_list::entry>
poison_list::note(const compute_job& job, const result<value>& answer, std::int64_t now_ms) {
  if (bounds_.failures_max == 0 || (answer && suspects_.empty()))
    return std::nullopt;
  if (!answer && (!is_fault_of_input(answer.error()) || job.input.is_stopped()))
    return std::nullopt;
  auto mark = fingerprint_of(job);
  if (answer) {
    suspects_.erase(mark);
    return std::nullopt;
  }
  auto [at, is_new] = suspects_.try_emplace(mark, suspect{job.function, 0});
  auto failures = ++at->second.failures;
  if (failures < bounds_.failures_max) {
    if (is_new)
      keep_suspect(mark);
    return std::nullopt;
  }
  suspects_.erase(at);
  entry made{mark, job.function, twin_of(job), job.input.key, failures, answer.error(), now_ms};
  if (!set_aside_.insert_or_assign(mark, made).second)
    return std::nullopt;
  order_.push_back(mark);
  if (order_.size() > bounds_.entries_max) {
    set_aside_.erase(order_.front());
    order_.pop_front();
  }
  return made;
}

void poison_list::forget_function(const std::string& function) {
  std::erase_if(suspects_, [&](const auto& one) { return one.second.function == function; });
  std::erase_if(set_aside_, [&](const auto& one) { return one.second.function == function; });
  std::erase_if(order_, [&](auto mark) { return !set_aside_.contains(mark); });
}

bool poison_list::release(std::uint64_t fingerprint) {
  if (set_aside_.erase(fingerprint) == 0)
    return false;
  std::erase(order_, fingerprint);
  return true;
}

std::vector<poison_list::entry> poison_list::list() const {
  std::vector<entry> all;
  for (auto mark : order_)
    all.push_back(set_aside_.at(mark));
  return all;
}

} // namespace gemel
