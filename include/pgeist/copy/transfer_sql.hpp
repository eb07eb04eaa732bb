#pragma once

#include <string>

#include "pgeist/plan/blueprint.hpp"

namespace pgeist::copy {

/// `INSERT INTO shadow (…) OVERRIDING SYSTEM VALUE SELECT … FROM <from>`: rows of the source as the shadow wants them.
/// `from` must name one relation with the source's columns, since the expressions name them without qualification.
[[nodiscard]] std::string transfer_sql(const plan::blueprint& plan, const std::string& from);

}  // namespace pgeist::copy
