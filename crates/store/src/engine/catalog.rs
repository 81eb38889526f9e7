//! What tables a database has, as the engine tells it.

use super::{pools::Pools, row::Row};
use crate::{
    StoreError,
    arguments::{Arg, Statement, args},
};

/// A table of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// The columns by name.
    pub(crate) columns: Vec<Column>,
    /// The names of the columns of the primary key.
    pub(crate) key: Vec<String>,
    /// The tables that it refers to.
    after: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: ColumnKind,
}

/// The three types that columns have on every engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Text,
    Int,
    Bytes,
}

impl ColumnKind {
    fn named(name: &str) -> Result<Self, StoreError> {
        match name {
            "TEXT" | "text" => Ok(Self::Text),
            "BIGINT" | "bigint" => Ok(Self::Int),
            "BLOB" | "bytea" => Ok(Self::Bytes),
            _ => Err(StoreError::Malformed("type of a column")),
        }
    }

    /// Reads the value of a column as the argument of a statement.
    pub(crate) fn read(self, row: &Row, column: &str) -> Result<Arg, StoreError> {
        Ok(match self {
            Self::Text => Arg::Text(row.text(column)?),
            Self::Int => Arg::Int(row.int(column)?),
            Self::Bytes => Arg::Bytes(row.bytes(column)?),
        })
    }
}

impl Table {
    /// Returns the columns of the primary key, in its order.
    pub(crate) fn columns_of_key(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().filter_map(|name| self.columns.iter().find(|column| column.name == *name))
    }
}

/// Three queries with the same columns on every engine: tables and their columns, primary keys, and references.
struct Questions {
    columns: &'static str,
    key: &'static str,
    references: &'static str,
}

const SQLITE: Questions = Questions {
    columns: "SELECT m.name AS t, c.name AS c, c.type AS kind FROM sqlite_master m, pragma_table_info(m.name) c
              WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' ORDER BY m.name, c.name",
    key: "SELECT m.name AS t, c.name AS c FROM sqlite_master m, pragma_table_info(m.name) c
          WHERE m.type = 'table' AND c.pk > 0 ORDER BY m.name, c.pk",
    references: "SELECT DISTINCT m.name AS t, f.\"table\" AS c FROM sqlite_master m, pragma_foreign_key_list(m.name) f
                 WHERE m.type = 'table'",
};

const POSTGRES: Questions = Questions {
    columns: "SELECT table_name::TEXT AS t, column_name::TEXT AS c, data_type::TEXT AS kind
              FROM information_schema.columns WHERE table_schema = current_schema()
              ORDER BY table_name COLLATE \"C\", column_name COLLATE \"C\"",
    key: "SELECT k.table_name::TEXT AS t, k.column_name::TEXT AS c FROM information_schema.key_column_usage k
          JOIN information_schema.table_constraints s ON s.constraint_schema = k.constraint_schema
              AND s.constraint_name = k.constraint_name AND s.table_name = k.table_name
          WHERE k.table_schema = current_schema() AND s.constraint_type = 'PRIMARY KEY'
          ORDER BY k.table_name, k.ordinal_position",
    references: "SELECT DISTINCT f.relname::TEXT AS t, r.relname::TEXT AS c FROM pg_constraint o
                 JOIN pg_class f ON f.oid = o.conrelid JOIN pg_class r ON r.oid = o.confrelid
                 WHERE o.contype = 'f' AND f.relnamespace = current_schema()::regnamespace",
};

/// The table in which the migrations that were made are noted. Each engine has its own.
const MIGRATIONS: &str = "_sqlx_migrations";

/// Lists the tables of the schema. A table comes after those that it refers to.
pub(crate) async fn tables(pools: &Pools) -> Result<Vec<Table>, StoreError> {
    let questions = match pools {
        Pools::Sqlite { .. } => SQLITE,
        Pools::Postgres { .. } => POSTGRES,
    };
    let mut tables: Vec<Table> = Vec::new();
    for row in ask(pools, questions.columns).await? {
        let (table, name) = pair(&row)?;
        if table == MIGRATIONS {
            continue;
        }
        let kind = row.text("kind")?.ok_or(StoreError::Malformed("type of a column"))?;
        if tables.last().is_none_or(|last| last.name != table) {
            tables.push(Table { name: table, columns: Vec::new(), key: Vec::new(), after: Vec::new() });
        }
        let last = tables.last_mut().ok_or(StoreError::Malformed("table"))?;
        last.columns.push(Column { name, kind: ColumnKind::named(&kind)? });
    }
    for row in ask(pools, questions.key).await? {
        let (table, name) = pair(&row)?;
        tables.iter_mut().filter(|known| known.name == table).for_each(|known| known.key.push(name.clone()));
    }
    for row in ask(pools, questions.references).await? {
        let (table, other) = pair(&row)?;
        tables
            .iter_mut()
            .filter(|known| known.name == table && table != other)
            .for_each(|t| t.after.push(other.clone()));
    }
    ordered(tables)
}

/// Puts each table after those that it refers to, and otherwise by name.
fn ordered(mut waiting: Vec<Table>) -> Result<Vec<Table>, StoreError> {
    let mut ordered: Vec<Table> = Vec::new();
    while !waiting.is_empty() {
        let is_placed = |name: &String| ordered.iter().any(|placed| placed.name == *name);
        let next = waiting.iter().position(|table| table.after.iter().all(is_placed));
        let next = next.ok_or(StoreError::Malformed("schema: tables refer to each other in a circle"))?;
        ordered.push(waiting.remove(next));
    }
    Ok(ordered)
}

async fn ask(pools: &Pools, sql: &str) -> Result<Vec<Row>, StoreError> {
    pools.all(Statement { sql, args: args![] }).await
}

fn pair(row: &Row) -> Result<(String, String), StoreError> {
    let text = |column| row.text(column)?.ok_or(StoreError::Malformed("schema"));
    Ok((text("t")?, text("c")?))
}
