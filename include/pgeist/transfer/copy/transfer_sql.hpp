#pragma once

#include <string>

#include "pgeist/transfer/spec.hpp"

namespace pgeist::copy {

/// `INSERT INTO written (…) OVERRIDING SYSTEM VALUE SELECT … FROM <from>`: rows of the read side as the write side
/// wants them. `from` must name one relation with the read side's columns, since the expressions name them without
/// qualification.
[[nodiscard]] std::string transfer_sql(const transfer::spec& transfer, const std::string& from);

}  // namespace pgeist::copy
