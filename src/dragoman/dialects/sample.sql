-- A small shop: 200 customers, 60 products, 1,000 orders, 2,500 order items.
-- Everything is computed from row numbers, so it is the same everywhere and every time.

CREATE TABLE customers (
    customer_id INTEGER PRIMARY KEY,
    name        VARCHAR NOT NULL,
    email       VARCHAR,
    country     VARCHAR NOT NULL,
    segment     VARCHAR NOT NULL,
    signed_up   DATE NOT NULL
);

INSERT INTO customers
SELECT
    i,
    ['Ada', 'Bruno', 'Chiara', 'Dmitri', 'Eva', 'Farid', 'Grace', 'Hiro', 'Ines', 'Jonas'][1 + i % 10]
        || ' '
        || ['Almeida', 'Brandt', 'Costa', 'Dubois', 'Eriksen', 'Fischer', 'García'][1 + i % 7],
    CASE WHEN i % 9 <> 0 THEN 'customer' || i || '@example.com' END,
    ['Germany', 'France', 'Italy', 'Spain', 'Japan', 'Brazil'][1 + (i * 7) % 6],
    ['Consumer', 'Small business', 'Enterprise'][1 + (i * 5) % 3],
    DATE '2022-01-01' + CAST((i * 37) % 1000 AS INTEGER)
FROM range(1, 201) AS numbers(i);

CREATE TABLE products (
    product_id INTEGER PRIMARY KEY,
    name       VARCHAR NOT NULL,
    category   VARCHAR NOT NULL,
    price      DECIMAL(10, 2) NOT NULL,
    active     BOOLEAN NOT NULL
);

INSERT INTO products
SELECT
    i,
    ['Oak', 'Steel', 'Linen', 'Glass', 'Paper'][1 + i % 5]
        || ' '
        || ['Chair', 'Lamp', 'Shelf', 'Table', 'Vase', 'Rug'][1 + i % 6]
        || ' '
        || i,
    ['Furniture', 'Lighting', 'Decoration'][1 + i % 3],
    CAST(4.90 + (i * 1373 % 25000) / 100 AS DECIMAL(10, 2)),
    i % 11 <> 0
FROM range(1, 61) AS numbers(i);

CREATE TABLE orders (
    order_id    INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers (customer_id),
    status      VARCHAR NOT NULL,
    ordered_at  TIMESTAMP NOT NULL,
    shipped_on  DATE,
    note        VARCHAR
);

INSERT INTO orders
SELECT
    i,
    1 + (i * 61) % 200,
    CASE WHEN i % 20 = 0 THEN 'cancelled' WHEN i % 7 = 0 THEN 'open' ELSE 'shipped' END,
    TIMESTAMP '2024-01-01 08:00:00' + to_minutes(i * 1049),
    CASE
        WHEN i % 20 <> 0 AND i % 7 <> 0
            THEN CAST(TIMESTAMP '2024-01-01 08:00:00' + to_minutes(i * 1049) AS DATE)
                + CAST(1 + i % 4 AS INTEGER)
    END,
    CASE WHEN i % 25 = 0 THEN 'Please ring twice' END
FROM range(1, 1001) AS numbers(i);

CREATE TABLE order_items (
    order_id   INTEGER NOT NULL REFERENCES orders (order_id),
    line       INTEGER NOT NULL,
    product_id INTEGER NOT NULL REFERENCES products (product_id),
    quantity   INTEGER NOT NULL,
    unit_price DECIMAL(10, 2) NOT NULL,
    discount   DECIMAL(4, 2),
    PRIMARY KEY (order_id, line)
);

INSERT INTO order_items
SELECT
    o.order_id,
    l.line,
    p.product_id,
    1 + (o.order_id * 3 + l.line) % 5,
    p.price,
    CASE WHEN (o.order_id + l.line) % 6 = 0 THEN 0.10 END
FROM orders AS o
CROSS JOIN range(1, 5) AS l(line)
JOIN products AS p ON p.product_id = 1 + (o.order_id * 17 + l.line * 29) % 60
WHERE l.line <= 1 + o.order_id % 4;

COMMENT ON TABLE customers IS 'Everybody who ever bought something';
COMMENT ON TABLE orders IS 'One row for each order';
COMMENT ON COLUMN orders.shipped_on IS 'Empty while the order is open or when it was cancelled';
COMMENT ON COLUMN order_items.discount IS 'A share of the price: 0.10 is ten per cent';
