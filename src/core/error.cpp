#include "pgeist/core/error.hpp"

#include <utility>

namespace pgeist {

error::error(exit_code code, const std::string& message, std::string hint)
    : std::runtime_error(message), code_(code), hint_(std::move(hint)) {}

cancelled::cancelled() : error(exit_code::cancelled, "cancelled by the user") {}

usage_error::usage_error(const std::string& message, std::string hint)
    : error(exit_code::usage, message, std::move(hint)) {}

}  // namespace pgeist
