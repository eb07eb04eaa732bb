#pragma once

#include "pgeist/ddl/sql_text.hpp"

namespace pgeist::plan {

namespace sql_text = ddl::sql_text;

}  // namespace pgeist::plan
