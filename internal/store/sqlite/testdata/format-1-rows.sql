-- Rows of a data folder as the last build of format 1 left it: a rollout in its middle,
-- with a group deleted and things that came and went meanwhile, a cancellation that is
-- not swept, a job that is being deleted, a session with a message, an effect nobody took.
-- The certificates and their attachment are of the builds before.
INSERT INTO dissolved VALUES
  (4);
INSERT INTO document VALUES
  (1,CAST('{"op":"flash"}' AS BLOB)),
  (2,CAST('{"op":"flash"}' AS BLOB)),
  (3,CAST('{"op":"flash"}' AS BLOB)),
  (4,CAST('{"op":"flash"}' AS BLOB)),
  (5,CAST('{"op":"flash"}' AS BLOB)),
  (6,CAST('{"op":"flash"}' AS BLOB));
INSERT INTO effect VALUES
  (1,'pump-7',1,1);
INSERT INTO event VALUES
  (1,0,1795424400000,2,1,1,7,1,1,NULL,'service'),
  (2,1,1795424400000,2,1,1,2,3,2,NULL,'pump-8'),
  (3,0,1795424460000,2,2,1,7,1,1,NULL,'service'),
  (4,0,1795424461000,7,2,1,7,1,1,NULL,'service'),
  (5,0,1795424462000,9,2,1,7,1,1,NULL,'service'),
  (6,3,1795424462000,2,2,1,2,4,2,NULL,'pump-8'),
  (7,0,1795424462000,9,3,1,7,1,1,NULL,'service'),
  (8,7,1795424462000,9,3,1,6,8,2,NULL,'service'),
  (9,0,1795424462000,1,4,1,7,1,1,NULL,'service'),
  (10,0,1795424463000,2,4,1,7,1,1,NULL,'service'),
  (11,9,1795424463000,1,4,1,2,2,2,CAST('{"step":"one"}' AS BLOB),'pump-7'),
  (12,4,1795424463000,7,2,1,4,7,2,NULL,'operator');
INSERT INTO execution VALUES
  (1,4,1,6,2,2,1795424462000,1795424463000,1795424463000,1795424763000,0,1795424763000,0,0,11,CAST('{"step":"one"}' AS BLOB)),
  (2,1,1,1,3,2,1795424400000,1795424400000,1795424400000,0,0,NULL,0,0,2,NULL),
  (2,2,1,2,4,2,1795424460000,1795424462000,1795424462000,0,0,NULL,0,0,6,NULL),
  (2,4,1,7,1,1,1795424463000,0,1795424463000,0,0,NULL,0,0,10,NULL),
  (7,2,1,3,7,2,1795424461000,0,1795424463000,0,0,NULL,0,0,12,NULL),
  (9,2,1,4,1,1,1795424462000,0,1795424462000,0,0,NULL,0,0,5,NULL),
  (9,3,1,5,8,2,1795424462000,0,1795424462000,0,0,NULL,0,0,8,NULL);
INSERT INTO expansion VALUES
  (1,1,9,1,0,1795424400000,0,1,1),
  (2,1,9,3,0,1795424460000,2,1,3),
  (3,1,9,0,9,1795424462000,0,1,1),
  (4,0,9,0,2,1795424462000,1,1,2),
  (5,1,12,0,0,1795424463000,0,0,0),
  (6,1,12,0,0,1795424463000,0,0,0);
INSERT INTO job VALUES
  (1,'done',3,0,1795424461000,0,1,1795424400000,1795424461000,1795424461000,'{"Targets":["arn:aws:iot:us-east-1:000000000000:thing/pump-8"],"Resolved":[{"Group":false,"Key":2,"Name":"pump-8"}],"Actor":"operator","PerMinute":60}'),
  (2,'failed',1,0,1795424460000,0,1,1795424460000,1795424460000,0,'{"Targets":["arn:aws:iot:us-east-1:000000000000:thing/pump-8","arn:aws:iot:us-east-1:000000000000:thing/gone","arn:aws:iot:us-east-1:000000000000:thing/idle"],"Resolved":[{"Group":false,"Key":2,"Name":"pump-8"},{"Group":false,"Key":7,"Name":"gone"},{"Group":false,"Key":9,"Name":"idle"}],"Actor":"operator","PerMinute":60}'),
  (3,'cancelled',2,0,1795424462000,0,1,1795424462000,1795424462000,0,'{"Targets":["arn:aws:iot:us-east-1:000000000000:thing/idle"],"Resolved":[{"Group":false,"Key":9,"Name":"idle"}],"ReasonCode":"NO","Comment":"not now","Actor":"operator","PerMinute":60}'),
  (4,'fw-1',1,0,1795424462000,5,1,1795424462000,1795424462000,0,'{"Targets":["arn:aws:iot:us-east-1:000000000000:thinggroup/line","arn:aws:iot:us-east-1:000000000000:thinggroup/old"],"Resolved":[{"Group":true,"Key":1,"Name":"line"},{"Group":true,"Key":4,"Name":"old"}],"Actor":"operator","PerMinute":60}'),
  (5,'halted',2,0,1795424463000,0,1,1795424463000,1795424463000,0,'{"Targets":["arn:aws:iot:us-east-1:000000000000:thing/idle","arn:aws:iot:us-east-1:000000000000:thing/pump-8"],"Resolved":[{"Group":false,"Key":9,"Name":"idle"},{"Group":false,"Key":2,"Name":"pump-8"}],"Actor":"operator","PerMinute":60}'),
  (6,'deleting',4,0,1795424463000,0,1,1795424463000,1795424463000,0,'{"Targets":["arn:aws:iot:us-east-1:000000000000:thing/idle"],"Resolved":[{"Group":false,"Key":9,"Name":"idle"}],"Actor":"operator","PerMinute":60}');
INSERT INTO job_due VALUES
  (2,1),
  (4,1795424464000),
  (5,1795424463000),
  (6,1795424463000);
INSERT INTO job_target VALUES
  ('arn:aws:iot:us-east-1:000000000000:thing/gone',2),
  ('arn:aws:iot:us-east-1:000000000000:thing/idle',2),
  ('arn:aws:iot:us-east-1:000000000000:thing/idle',3),
  ('arn:aws:iot:us-east-1:000000000000:thing/idle',5),
  ('arn:aws:iot:us-east-1:000000000000:thing/idle',6),
  ('arn:aws:iot:us-east-1:000000000000:thing/pump-8',1),
  ('arn:aws:iot:us-east-1:000000000000:thing/pump-8',2),
  ('arn:aws:iot:us-east-1:000000000000:thing/pump-8',5),
  ('arn:aws:iot:us-east-1:000000000000:thinggroup/line',4),
  ('arn:aws:iot:us-east-1:000000000000:thinggroup/old',4);
INSERT INTO membership VALUES
  (1,1,1,0,'pump-7'),
  (1,2,2,0,'pump-8'),
  (1,3,3,11,'pump-9'),
  (1,4,4,0,'pump-10'),
  (1,7,5,12,'gone'),
  (1,8,10,0,'late'),
  (3,1,6,0,'pump-7'),
  (3,9,7,0,'idle'),
  (4,5,8,0,'old-1'),
  (4,6,9,0,'old-2');
INSERT INTO message VALUES
  ('pump-7',1,CAST('waits' AS BLOB));
INSERT INTO pending VALUES
  (1,0,1795424462000,6,4,1),
  (2,1,1795424463000,7,4,1),
  (9,1,1795424462000,4,2,1);
INSERT INTO retained VALUES
  ('plant/state',CAST('kept' AS BLOB));
INSERT INTO sequence VALUES
  ('membership',12),
  ('queue',7);
INSERT INTO session VALUES
  ('pump-7',3600000,0);
INSERT INTO subscription VALUES
  ('pump-7','$aws/things/pump-7/jobs/notify-next',1);
INSERT INTO tally VALUES
  (1,0,0,1,0,0,0,0,0,1,0,0,0),
  (2,1,0,0,1,0,0,1,0,0,1,0,0),
  (3,0,0,0,0,0,0,0,1,0,0,0,0),
  (4,1,1,0,0,0,0,0,0,0,0,0,0);
INSERT INTO thing VALUES
  (1,'pump-7','8234ff5b-3610-46e0-95f1-5194652ac9b7','{"site":"oslo"}',3,1795424400000,0),
  (2,'pump-8','10c08ec1-3a81-476f-b17c-01b22adc80df','{}',1,1795424400000,0),
  (3,'pump-9','f3a0f285-d44f-448a-ad84-7dec36faad6d','{}',1,1795424400000,0),
  (4,'pump-10','5186ec00-a104-4ef0-8a29-de3c100e7936','{}',1,1795424400000,0),
  (5,'old-1','7f02d037-22ad-4255-af38-08d35388bc9b','{}',1,1795424400000,0),
  (6,'old-2','b71d2b42-ba65-4477-ac5f-76dcdefa10b8','{}',1,1795424400000,0),
  (7,'gone','a1e3b257-68d7-4bb7-bb28-df31d9712f42','{}',1,1795424400000,1),
  (8,'late','5f417b6d-752e-457c-a932-dacf1c2a2680','{}',1,1795424400000,0),
  (9,'idle','81e0904d-7d4f-4e0b-bf55-c51b63977593','{}',1,1795424400000,0);
INSERT INTO thing_group VALUES
  (1,'line','2503e73c-292c-4a06-96e4-e9539a6b3082','','{}',1,1795424400000),
  (2,'empty','96600fe6-9e25-4ddb-810e-d4bda30663f6','','{}',1,1795424400000),
  (3,'hall','f8c59e73-e341-4229-91c4-3e4703318620','','{}',1,1795424400000);
UPDATE sqlite_sequence SET seq = 9 WHERE name = 'thing';
UPDATE sqlite_sequence SET seq = 4 WHERE name = 'thing_group';
UPDATE sqlite_sequence SET seq = 6 WHERE name = 'job';
UPDATE sqlite_sequence SET seq = 1 WHERE name = 'effect';
INSERT INTO certificate (id, pem, status, created, not_before, not_after) VALUES
  ('aa', 'pem of aa', 'ACTIVE', 1700000000123, 1600000000000, 2524607999000),
  ('bb', 'pem of bb', 'INACTIVE', 1690000000000, 1600000000000, 2524607999000);
INSERT INTO attachment (thing, certificate, seq, exclusive) VALUES (1, 'aa', 1, 0);
INSERT INTO sequence (name, value) VALUES ('attachment', 1);
