#include "messages/frame.hpp"

#include "messages/detail/frame_check.hpp"
#include "messages/limits.hpp"

#include <capnp/serialize.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace gemel {

frame::block* frame::allocate(std::size_t word_count) {
  GEMEL_CHECK(word_count < UINT32_MAX);
  void* memory = ::operator new(sizeof(block) + word_count * sizeof(capnp::word));
  auto* made = new (memory) block;
  made->word_count = static_cast<std::uint32_t>(word_count);
  return made;
}

void frame::release() noexcept {
  if (block_->count.fetch_sub(1, std::memory_order_acq_rel) != 1)
    return;
  block_->~block();
  ::operator delete(block_);
}

frame frame::build(capnp::MessageBuilder& builder) {
  auto segments = builder.getSegmentsForOutput();
  if (segments.size() == 1) {
    auto* made = allocate(segments[0].size());
    std::memcpy(made->words(), segments[0].begin(), segments[0].size() * sizeof(capnp::word));
    return frame{made};
  }
  auto root = builder.getRoot<wire::Message>().asReader();
  auto* made = allocate(root.totalSize().wordCount + 1);
  std::memset(made->words(), 0, made->word_count * sizeof(capnp::word));
  capnp::copyToUnchecked(root, kj::arrayPtr(made->words(), made->word_count));
  return frame{made};
}

result<frame> frame::check(std::span<const std::byte> bytes) {
  if (bytes.empty() || bytes.size() % sizeof(capnp::word) != 0)
    return fail(errc::bad_frame, "a frame of " + std::to_string(bytes.size())
                                     + " bytes; whole, non-empty 8-byte words are expected");
  if (bytes.size() > limits::frame_bytes_max)
    return fail(errc::bad_frame, "a frame of " + std::to_string(bytes.size()) + " bytes, at most "
                                     + std::to_string(limits::frame_bytes_max) + " are allowed");
  auto words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  std::memcpy(words.begin(), bytes.data(), bytes.size());
  // Nothing may be read twice: a frame whose pointers share targets could grow without bound when
  // it is copied. One word of slack for the root, which Cap'n Proto counts on its own.
  capnp::ReaderOptions options;
  options.traversalLimitInWords = words.size() + 1;
  options.nestingLimit = limits::frame_depth_max;
  try {
    kj::ArrayPtr<const capnp::word> segment = words;
    capnp::SegmentArrayMessageReader reader{kj::arrayPtr(&segment, 1), options};
    // The checked copy is a single segment with only pointers that our schema knows to be sound,
    // which is what the unchecked reading of `message()` rests on.
    capnp::MallocMessageBuilder copy{static_cast<unsigned>(words.size() + 16)};
    copy.setRoot(reader.getRoot<wire::Message>());
    auto made = build(copy);
    if (auto sound = detail::check_message(made.message()); !sound)
      return tl::unexpected<error>(std::move(sound.error()));
    // The copy left out words that nothing points to. They must not have paid for list elements
    // without a size, or the next node would refuse what this one took. Ends there: the copy of a
    // copy is as long.
    if (made.size() != bytes.size())
      return check(made.bytes());
    return made;
  } catch (const kj::Exception& broken) {
    return fail(errc::bad_frame, "message: " + detail::reason_of(broken));
  }
}

frame_builder::~frame_builder() {
  if (first_ != nullptr)
    static_cast<void>(frame{first_});
}

kj::ArrayPtr<capnp::word> frame_builder::allocateSegment(unsigned words_min) {
  auto words = std::max<std::size_t>(words_min, guess_);
  if (first_ == nullptr) {
    first_ = frame::allocate(words);
    std::memset(first_->words(), 0, words * sizeof(capnp::word));
    return {first_->words(), words};
  }
  auto& segment = more_.emplace_back(kj::heapArray<capnp::word>(words));
  std::memset(segment.begin(), 0, words * sizeof(capnp::word));
  return segment;
}

frame frame_builder::finish() {
  auto segments = getSegmentsForOutput();
  if (segments.size() != 1)
    return frame::build(*this);
  first_->word_count = static_cast<std::uint32_t>(segments[0].size());
  return frame{std::exchange(first_, nullptr)};
}

} // namespace gemel
