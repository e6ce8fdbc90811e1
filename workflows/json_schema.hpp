#pragma once

#include "messages/fault.hpp"
#include "workflows/workflow.hpp"

namespace gemel {

/// Whether `content` is as `schema`, a JSON Schema (draft 7, without references to other
/// documents), says. @returns errc::bad_value with the pointer of the first thing that is wrong;
/// errc::bad_syntax if the schema is none.
result<void> check_schema(const value& schema, const value& content);

/// Whether a run of `document` may begin with `input`, by the document's `input_schema`.
/// @returns as `check_schema`.
result<void> check_input(const workflow& document, const value& input);

} // namespace gemel
