#pragma once

#include <string>

#include "pgeist/core/error.hpp"

namespace pgeist::replay {

/// A batch cut a set of dependent changes in two: to be repeated with the whole visible log.
class cut_in_two : public error {
public:
    explicit cut_in_two(const std::string& message) : error(exit_code::failed, message) {}
};

}  // namespace pgeist::replay
