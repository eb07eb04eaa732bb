#include "readers.hpp"

namespace pgeist::catalog {

namespace {

constexpr const char* labels_sql = R"(
    SELECT l.provider, l.label, coalesce(a.attname, '') AS column
      FROM pg_seclabel l LEFT JOIN pg_attribute a ON a.attrelid = l.objoid AND a.attnum = l.objsubid AND l.objsubid <> 0
     WHERE l.classoid = 'pg_class'::regclass AND l.objoid = $1 ORDER BY l.objsubid, l.provider COLLATE "C")";

}  // namespace

awaitable<std::vector<security_label>> read_security_labels(pg::inquiry& ask, std::int64_t table_oid) {
    const auto rows = co_await ask.ask(labels_sql, table_oid);
    std::vector<security_label> labels;
    for (int row = 0; row < rows.rows(); ++row) {
        security_label each;
        each.provider = rows.text(row, "provider");
        each.label = rows.text(row, "label");
        each.column = rows.text(row, "column");
        labels.push_back(std::move(each));
    }
    co_return labels;
}

}  // namespace pgeist::catalog
